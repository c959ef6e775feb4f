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


def test_what_hangs_is_ended_and_named(tmp_path: Path) -> None:
    names = ["one_process_waits_for_another", "all_is_well_after_that"]
    found = outcomes(2, tmp_path, names, collective=2.0)
    (failure,) = found[names[0]]
    assert failure.startswith("rank 0: Traceback")
    assert "2000ms" in failure
    assert found[names[1]] == []


def test_a_launch_that_takes_too_long_is_ended_and_says_where_it_was(tmp_path: Path) -> None:
    names = ["one_process_sleeps", "all_is_well_after_that"]
    found = outcomes(2, tmp_path, names, collective=4.0, whole=12.0)
    assert "rank 1: ended in it" in found[names[0]]
    assert "rank 1: did not come to it" in found[names[1]]


@pytest.mark.parametrize(("size", "name"), ALL)
def test_on_processes(size: int, name: str, request: pytest.FixtureRequest) -> None:
    wanted = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    names = tuple(w["name"] for w in wanted if w.get("size") == size)
    failures = launched(size, names)[name]
    assert not failures, "\n".join(failures)
