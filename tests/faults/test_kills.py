"""A study that is killed at any moment, and started again by the same command, ends as an undisturbed one."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ..lab.processes import gone

STUDY = [
    *("study", "digits", "--seeds", "2", "--epochs", "24", "--batch-size", "100", "--lrs", "1e-3,1e-2"),
    *("--lambdas", "0.1,1", "--optimizer", "adamw-torch", "--optimizer", "adam-p", "--workers", "2", "--curves"),
]
EXECUTORS = ("vectorised", "processes")


def start(folder: Path, executor: str) -> subprocess.Popen[str]:
    program = "from halflife.cli import main; main()"
    command = [sys.executable, "-c", program, *STUDY, "--executor", executor, "--out", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(folder: Path, executor: str) -> None:
    process = start(folder, executor)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output


def rows(folder: Path) -> list[tuple[object, ...]]:
    """All of the ledger but how long it took."""
    ledger = sqlite3.connect(folder / "study.db")
    names = [row[1] for row in ledger.execute("PRAGMA table_info(runs)") if row[1] != "seconds"]
    found = ledger.execute(f"SELECT {', '.join(names)} FROM runs ORDER BY key").fetchall()
    ledger.close()
    return found


def workers_of(driver: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(driver)], capture_output=True, text=True, check=False)
    return list(map(int, found.stdout.split()))


def kill(folder: Path, executor: str, after: float) -> None:
    """Start the command and kill it; its workers must not outlive it."""
    process = start(folder, executor)
    deadline = time.monotonic() + after
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    workers = workers_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert gone(workers), "a worker outlives its driver"


def disturbed(folder: Path, executor: str, kills: int, whole: float) -> None:
    """Killed at moments between the program's start and the time that it takes undisturbed."""
    moments = random.Random(executor)
    for _ in range(kills):
        kill(folder, executor, moments.uniform(0.1, 1.0) * whole)
    finish(folder, executor)


def both_ways(tmp_path: Path, executor: str, kills: int) -> None:
    begun = time.monotonic()
    finish(tmp_path / "whole", executor)
    disturbed(tmp_path / "killed", executor, kills, time.monotonic() - begun)
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    assert len(rows(tmp_path / "whole")) == 2 * (2 + 4 + 4)
    assert not (tmp_path / "killed" / "checkpoints").exists()


needs_pgrep = pytest.mark.skipif(not shutil.which("pgrep"), reason="the workers are found by pgrep")


@needs_pgrep
@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
def test_killed_twenty_times(executor: str, tmp_path: Path) -> None:
    both_ways(tmp_path, executor, 20)


@needs_pgrep
def test_killed_three_times(tmp_path: Path) -> None:
    both_ways(tmp_path, "vectorised", 3)
