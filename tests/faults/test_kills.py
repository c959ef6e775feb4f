"""A study that is killed at any moment, and started again by the same command, ends as an undisturbed one."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ..lab.ledger_rows import rows
from ..lab.processes import gone

STUDY = [
    *("study", "digits", "--seeds", "2", "--batch-size", "100", "--lrs", "1e-3,1e-2"),
    *("--lambdas", "0.1,1", "--optimizer", "adamw-torch", "--optimizer", "adam-p", "--workers", "2", "--curves"),
]
EPOCHS = {"vectorised": 800, "processes": 300}
"""So many that training, and not the program's start, is what most kills hit."""

SHORT = 24


def start(folder: Path, executor: str, epochs: int) -> subprocess.Popen[str]:
    program = "from halflife.cli import main; main()"
    command = [sys.executable, "-c", program, *STUDY, "--epochs", str(epochs)]
    command += ["--executor", executor, "--out", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(folder: Path, executor: str, epochs: int) -> None:
    process = start(folder, executor, epochs)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output


def workers_of(driver: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(driver)], capture_output=True, text=True, check=False)
    return list(map(int, found.stdout.split()))


Moment = Callable[[Path], Callable[[], bool]]
"""From a study's folder, as its command begins, to what says whether the moment has come."""


def after(seconds: float) -> Moment:
    def begun(_: Path) -> Callable[[], bool]:
        end = time.monotonic() + seconds
        return lambda: time.monotonic() >= end

    return begun


def written(folder: Path) -> Callable[[], bool]:
    """Another network is in the ledger."""
    before = recorded(folder)
    return lambda: recorded(folder) > before


def saved(folder: Path) -> Callable[[], bool]:
    """Another checkpoint is whole."""
    begun = time.time_ns()
    return lambda: any(time_of(file) > begun for file in folder.glob("checkpoints/*.pt"))


def saving(folder: Path) -> Callable[[], bool]:
    """A checkpoint is in the midst of being written."""
    begun = time.time_ns()
    return lambda: any(time_of(file) > begun for file in folder.glob("checkpoints/*.new"))


def time_of(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:  # it has been put in its place
        return 0


def recorded(folder: Path) -> int:
    if not (folder / "study.db").exists():
        return 0
    ledger = sqlite3.connect(f"{(folder / 'study.db').absolute().as_uri()}?mode=ro", uri=True)
    try:
        return ledger.execute("SELECT COUNT(*) FROM runs").fetchone()[0]
    except sqlite3.OperationalError:  # there is no table yet, or it is locked
        return 0
    finally:
        ledger.close()


def kill(folder: Path, executor: str, epochs: int, moment: Moment) -> bool:
    """Start the command and kill it; its workers must not outlive it. Whether it was still at work."""
    has_come = moment(folder)
    process = start(folder, executor, epochs)
    while process.poll() is None and not has_come():
        time.sleep(0.001)
    workers = workers_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert gone(workers), "a worker outlives its driver"
    return process.returncode == -signal.SIGKILL


def both_ways(tmp_path: Path, executor: str, epochs: int, moments: Callable[[float], list[Moment]]) -> None:
    """``moments`` are made from the seconds that the undisturbed study takes."""
    begun = time.monotonic()
    finish(tmp_path / "whole", executor, epochs)
    killed = [kill(tmp_path / "killed", executor, epochs, each) for each in moments(time.monotonic() - begun)]
    finish(tmp_path / "killed", executor, epochs)
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    assert len(rows(tmp_path / "whole")) == 2 * (2 + 4 + 4)
    assert not (tmp_path / "killed" / "checkpoints").exists()
    assert all(killed), f"it had ended before {killed.count(False)} of {len(killed)} kills"


def twenty(whole: float) -> list[Moment]:
    """Eight early ones, from imports on, and twelve that the study itself says, in any order; three stacks are in it,
    so that no more than two may be written before its end.
    """
    draw = random.Random(20)
    moments = [after(draw.uniform(0.02, 0.35) * whole) for _ in range(8)] + [saved, saving] * 5 + [written] * 2
    return draw.sample(moments, len(moments))


def three(whole: float) -> list[Moment]:
    return [after(share * whole) for share in (0.3, 0.5, 0.7)]


needs_pgrep = pytest.mark.skipif(not shutil.which("pgrep"), reason="the workers are found by pgrep")


@needs_pgrep
@pytest.mark.slow
@pytest.mark.parametrize("executor", EPOCHS)
def test_killed_twenty_times(executor: str, tmp_path: Path) -> None:
    both_ways(tmp_path, executor, EPOCHS[executor], twenty)


@needs_pgrep
def test_killed_three_times(tmp_path: Path) -> None:
    both_ways(tmp_path, "vectorised", SHORT, three)
