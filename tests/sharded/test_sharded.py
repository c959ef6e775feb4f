"""Every case on 2 and on 4 processes, of one launch each. ``make distributed``"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.sharded.launch import load, outcomes

pytestmark = pytest.mark.distributed

ALL = [(size, case.name) for size in (2, 4) for case in load() if size in case.ranks]


@cache
def launched(size: int, names: tuple[str, ...]) -> dict[str, list[str]]:
    with TemporaryDirectory() as folder:
        return outcomes(size, Path(folder), list(names))


@pytest.mark.parametrize(("size", "name"), ALL)
def test_on_processes(size: int, name: str, request: pytest.FixtureRequest) -> None:
    wanted = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    names = tuple(w["name"] for w in wanted if w.get("size") == size)
    failures = launched(size, names)[name]
    assert not failures, "\n".join(failures)
