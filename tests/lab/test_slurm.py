"""Slurm through submitit, by its executors for one machine: the same ledger, failures named, nothing left running."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from halflife.lab import ExecutionConfig, Settings, StudyError, run_study

pytest.importorskip("submitit")
from halflife.lab.execution.slurm import shared_out_by_slurm

pytestmark = [  # submitit's executor for debugging leaves its logs open
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SETTINGS = Settings(
    optimizers=("adam-p",), lrs=(1e-3, 1e-2), lams=(0.1, 1.0), seeds=2, epochs=2, batch_size=100, curves=True
)
LOCAL = {"cluster": "local"}


def square(item: int, report: Callable[[float], None]) -> int:
    report(0.5)
    return item * item


def outcome(job: Callable[..., object], items: list[object], folder: Path, cluster: str = "local") -> list[object]:
    heard: list[list[float]] = []
    done = shared_out_by_slurm(job, items, lambda shares: heard.append(list(shares)), folder, 2, {"cluster": cluster})
    found = {index: result for index, result, seconds in done if seconds >= 0}
    assert heard[-1] == [1.0] * len(items)
    return [found[index] for index in range(len(items))]


@pytest.mark.parametrize("cluster", ["local", "debug"])
def test_each_item_comes_back(cluster: str, tmp_path: Path) -> None:
    assert outcome(square, [2, 3, 4], tmp_path, cluster) == [4, 9, 16]


def test_the_same_ledger_as_worker_processes(tmp_path: Path) -> None:
    ours = run_study(SETTINGS, tmp_path / "slurm", how=ExecutionConfig("slurm", workers=2, slurm=LOCAL)).results[0]
    theirs = run_study(SETTINGS, tmp_path / "here", how=ExecutionConfig("vectorised", workers=2)).results[0]
    if ours.way.partition(":")[0] == theirs.way.partition(":")[0]:  # as a short trial decides
        assert (ours.findings[0].val == theirs.findings[0].val).all()
    assert ours.findings[0].val == pytest.approx(theirs.findings[0].val, abs=0.02)
    assert (tmp_path / "slurm" / "slurm").is_dir()
    again = run_study(SETTINGS, tmp_path / "slurm", how=ExecutionConfig("slurm", workers=2, slurm=LOCAL)).results[0]
    assert (again.findings[0].val == ours.findings[0].val).all()


def test_what_a_job_raises_is_raised_here(tmp_path: Path) -> None:
    def fails(item: int, report: Callable[[float], None]) -> int:
        raise ValueError(f"no {item}")

    with pytest.raises(ValueError, match="no 7"):
        outcome(fails, [7], tmp_path)


def test_a_training_that_raises_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def train(config):\n    if config.seed:\n        raise OSError('no disk')\n    return {'val_error': 1.0}\n",
        encoding="utf-8",
    )
    settings = Settings(f"{file}:train", optimizers=("adamw",), lrs=(1e-3, 1e-2), lams=(0.1,), seeds=2, epochs=1)
    with pytest.warns(RuntimeWarning, match="networks failed.*seed 1: OSError: no disk"):
        result = run_study(settings, tmp_path / "a", how=ExecutionConfig("slurm", slurm=LOCAL)).results[0]
    assert result.findings[0].complete == (0,)


def test_a_job_that_dies_is_tried_again_and_then_said(tmp_path: Path) -> None:
    def dies_once(item: Path, report: Callable[[float], None]) -> str:
        if not item.exists():
            item.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "alive"

    assert outcome(dies_once, [tmp_path / "seen"], tmp_path / "a") == ["alive"]

    def dies(item: int, report: Callable[[float], None]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(StudyError, match=r"a Slurm job died 2 times on the same networks.*its logs are in"):
        outcome(dies, [1], tmp_path / "b")


def test_without_slurm_it_says_where_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StudyError, match=r"no Slurm here.*--slurm cluster=local"):
        list(shared_out_by_slurm(square, [1], lambda shares: None, tmp_path))
    with pytest.raises(StudyError, match="cluster=moon is not known; choose among slurm, local, debug"):
        list(shared_out_by_slurm(square, [1], lambda shares: None, tmp_path, options={"cluster": "moon"}))


def test_options_without_the_executor_are_refused() -> None:
    with pytest.raises(StudyError, match="add --executor slurm"):
        ExecutionConfig("processes", slurm=LOCAL)


def test_options_reach_sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of that name that keeps what it is told."""
    told = tmp_path / "told"
    for name in ("sbatch", "srun", "squeue", "sacct", "scancel"):
        script = tmp_path / name
        script.write_text(f'#!/bin/sh\ncat "$1" > {told}\necho "refused" >&2\nexit 1\n', encoding="utf-8")
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    options = {"partition": "gpu", "time": "60", "mem": "4", "cpus": "2"}
    with pytest.raises(StudyError, match="the jobs cannot be submitted"):
        list(shared_out_by_slurm(square, [1, 2], lambda shares: None, tmp_path / "a", 1, options))
    for line in ("--partition=gpu", "--time=60", "--mem=4GB", "--cpus-per-task=2", "--array=0-1%1"):
        assert line in told.read_text(encoding="utf-8")
