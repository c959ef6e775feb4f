"""``halflife doctor``: whatever a compiler or a kernel does, it ends with a sentence."""

from __future__ import annotations

import json
import re
import sys

import pytest
from typer.testing import CliRunner

from halflife.cli.app import app
from halflife.cli.self_tests import TRIED, outcome
from halflife.engines.cuda import cache, host

needs_compiler = pytest.mark.skipif(bool(host.obstacle()), reason=str(host.obstacle()))
FIRST = f"print({json.dumps(json.dumps([next(iter(TRIED)), '']))}, flush=True)"


def of(code: str, seconds: float = 60) -> str:
    """The sentence on a process that runs this instead."""
    return outcome("cpu", [sys.executable, "-c", code], seconds)


@needs_compiler
def test_kernels_are_tried_in_a_process_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome("cpu") == "4 of 4 kernels step as foreach does"
    monkeypatch.setenv("CXX", "false")
    text = outcome("cpu")
    assert text.startswith("0 of 4 kernels step as foreach does; AdamW in float32: ")
    assert "false" in text


def test_a_crash_a_hang_and_an_error_are_said() -> None:
    right = "1 of 4 kernels step as foreach does; "
    crash = of(f"{FIRST}; import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert crash == right + "the process that tries them was ended by SIGSEGV after AdamW in float32"
    hang = of(f"{FIRST}; import time; time.sleep(60)", 3)
    assert hang == right + "the process that tries them did not end within 3 s after AdamW in float32"
    error = of("raise RuntimeError('no such thing')")
    assert error == (
        "0 of 4 kernels step as foreach does; the process that tries them ended with 1: RuntimeError: no such thing"
    )
    wrong = of(f"print({json.dumps(json.dumps(['AdamW', 'finds 3 numbers off']))})")
    assert wrong == "0 of 4 kernels step as foreach does; AdamW: finds 3 numbers off"


@needs_compiler
def test_it_says_what_there_is(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("HALFLIFE_CACHE", str(tmp_path))
    cache.place.cache_clear()
    cache.place.cache_clear()
    result = CliRunner().invoke(app, ["doctor"])
    cache.place.cache_clear()
    assert result.exit_code == 0
    assert f"HALFLIFE_CACHE={tmp_path}" in result.output
    assert re.search(r"^cpu kernels +4 of 4 kernels step as foreach does; HALFLIFE_COMPILE=cpu", result.output, re.M)
    files = re.search(
        rf"^kernel cache +(\d+) files, [\d.]+ MB in {re.escape(str(tmp_path.resolve()))}", result.output, re.M
    )
    assert files
    assert int(files[1]) >= 8
