"""kill −9 at any moment loses at most an epoch: twenty times in one study, which ends with the same bits."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

CALL = [
    *(sys.executable, "-m", "halflife", "study", "digits", "--optimizer", "adamw-torch", "--optimizer", "adam-p"),
    *("--lrs", "1e-3,3e-3,1e-2", "--lambdas", "0.01,0.1,1", "--seeds", "3", "--epochs", "150", "--workers", "2"),
]
KILLS = 20


def rows(folder: Path) -> list[tuple[object, ...]]:
    """All that is known of every network but how long it took."""
    with sqlite3.connect(folder / "study.db") as ledger:
        names = [row[1] for row in ledger.execute("pragma table_info(runs)") if row[1] != "seconds"]
        found = ledger.execute(f"select {', '.join(names)} from runs order by key").fetchall()
    return found


def end_all(process: subprocess.Popen[bytes]) -> None:
    """The driver by −9, as a machine would; its workers notice by themselves."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_killed_twenty_times_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = subprocess.run([*CALL, "--out", str(tmp_path / "whole")], capture_output=True, check=True)
    assert b"Use halflife" in whole.stdout
    draw, killed, amid = random.Random(0), 0, 0
    broken = tmp_path / "broken"
    while killed < KILLS:
        process = subprocess.Popen([*CALL, "--out", str(broken)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        time.sleep(draw.uniform(1.0, 7.0))
        if process.poll() is not None:  # done before its time: the rest of the kills meet a finished study
            assert process.stderr is not None
            assert process.returncode == 0, process.stderr.read()
        else:
            end_all(process)
            amid += 1
        assert process.stderr is not None
        process.stderr.close()
        killed += 1
    assert amid >= KILLS // 2
    again = subprocess.run([*CALL, "--out", str(broken)], capture_output=True, check=False)
    assert again.returncode == 0, again.stderr.decode()
    assert rows(broken) == rows(tmp_path / "whole")
    assert not (broken / "checkpoints").exists()
