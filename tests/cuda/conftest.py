"""Compiled kernels as a new process finds them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from halflife.engines.cuda import cache

from .anew import forget


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """A cache of this test's, and nothing known before or after; the environment is the test's to change."""
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    temporary = tmp_path / "last resort"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    forget()
    yield monkeypatch
    monkeypatch.undo()
    forget()
