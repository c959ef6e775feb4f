"""Jobs through submitit, in processes of this machine: the same ledger as ever, deaths, refusals, and no leftovers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from halflife.lab import ExecutionConfig, Settings, StudyError, run_study

from .ledger_rows import rows
from .processes import gone

pytest.importorskip("submitit")
from submitit.slurm.slurm import SlurmJob

from halflife.lab.execution import slurm as by_slurm

LOCAL, DEBUG = {"cluster": "local"}, {"cluster": "debug"}
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in.*DEBUG_.*_log")  # which submitit leaves open
SETTINGS = Settings(
    optimizers=("adam-p",), lrs=(1e-2,), lams=(0.1, 1.0), seeds=1, epochs=2, batch_size=100, curves=True
)


def shared_out(job: Any, folder: Path, n: int = 2, options: Any = None) -> dict[int, Any]:
    found = by_slurm.shared_out_by_slurm(job, range(n), lambda shares: None, folder, options or LOCAL, workers=2)
    return {index: result for index, result, _ in found}


@pytest.mark.parametrize("options", [LOCAL, DEBUG])
def test_the_same_ledger_as_processes(tmp_path: Path, options: dict[str, Any]) -> None:
    run_study(SETTINGS, tmp_path / "processes", how=ExecutionConfig("processes", workers=2))
    run_study(SETTINGS, tmp_path / "slurm", how=ExecutionConfig("slurm", workers=2, slurm=options))
    assert rows(tmp_path / "slurm") == rows(tmp_path / "processes")
    assert len(rows(tmp_path / "slurm")) == 3
    assert not (tmp_path / "slurm" / "checkpoints").exists()
    left = {file.name for file in (tmp_path / "slurm" / "slurm").iterdir()}
    assert left, "no logs"
    assert all(name.endswith(("log.out", "log.err")) for name in left), left


OWN = """
def train(config):
    if config.weight_decay == 1.0:
        raise ZeroDivisionError("a fault in the model")
    return {"val_error": config.lr}
"""


def test_a_cell_that_raises_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text(OWN, encoding="utf-8")
    settings = Settings(
        problem=f"{tmp_path}/my.py:train", optimizers=("adam-p",), lrs=(1e-2,), lams=(0.1, 1.0), seeds=1
    )
    with pytest.warns(RuntimeWarning, match=r"1 of 3 networks failed .* λ 1, .*a fault in the model"):
        run_study(settings, tmp_path / "out", how=ExecutionConfig("slurm", workers=3, slurm=LOCAL))
    assert len(rows(tmp_path / "out")) == 2


class Frail:
    """A job whose first tries end its process."""

    def __init__(self, folder: Path, tries: int) -> None:
        self.folder, self.tries = folder, tries

    def __call__(self, item: int, progress: Callable[[float], None]) -> int:
        tried = len(list(self.folder.glob(f"{item}-*")))
        (self.folder / f"{item}-{tried}").touch()
        if item == 1 and tried < self.tries:
            print("these are its last words", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return 10 * item


def test_a_killed_job_is_submitted_again(tmp_path: Path) -> None:
    (tmp_path / "told").mkdir()
    assert shared_out(Frail(tmp_path / "told", 1), tmp_path) == {0: 0, 1: 10}
    assert (tmp_path / "told" / "1-1").exists()


def test_a_job_that_dies_again_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "told").mkdir()
    with pytest.raises(StudyError, match=r"died 2 times on the same networks .*its last words.*log\.err.*--slurm mem"):
        shared_out(Frail(tmp_path / "told", 9), tmp_path)


def test_an_error_and_a_warning_reach_the_caller(tmp_path: Path) -> None:
    def job(item: int, progress: Callable[[float], None]) -> int:
        warnings.warn("as it should", UserWarning, stacklevel=1)
        if item:
            raise ZeroDivisionError("a fault in the model")
        return item

    with (
        pytest.warns(RuntimeWarning, match="as it should"),
        pytest.raises(ZeroDivisionError, match="a fault") as caught,
    ):
        shared_out(job, tmp_path)
    assert "in job" in str(caught.value.__cause__)


def test_what_stops_the_listener_cancels_the_jobs(tmp_path: Path) -> None:
    (tmp_path / "pids").mkdir()

    def job(item: int, progress: Callable[[float], None]) -> None:
        (tmp_path / "pids" / str(os.getpid())).touch()
        time.sleep(300)

    def interrupt(shares: Any) -> None:
        if len(list((tmp_path / "pids").iterdir())) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(by_slurm.shared_out_by_slurm(job, range(2), interrupt, tmp_path / "slurm", LOCAL, workers=2))
    assert gone([int(file.name) for file in (tmp_path / "pids").iterdir()])
    assert not list((tmp_path / "slurm").glob("*.pkl"))


def test_jobs_of_a_killed_driver_end_when_the_next_one_begins(tmp_path: Path) -> None:
    script = f"""
import os, time
from pathlib import Path
from halflife.lab.execution.slurm import shared_out_by_slurm
def job(item, progress):
    Path({str(tmp_path)!r}, "pid").write_text(str(os.getpid()), encoding="ascii")
    time.sleep(300)
list(shared_out_by_slurm(job, [0], lambda shares: None, Path({str(tmp_path)!r}, "slurm"), {LOCAL!r}))
"""
    driver = subprocess.Popen([sys.executable, "-c", script])
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text(encoding="ascii")):
        assert driver.poll() is None
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    assert shared_out(Frail(tmp_path, 0), tmp_path / "slurm", 1, DEBUG) == {0: 0}
    assert gone([int((tmp_path / "pid").read_text(encoding="ascii"))])


STAND_INS = {
    "sbatch": """
n=$(cat count 2>/dev/null || echo 100); echo $((n + 1)) > count; cp "$1" script-$n
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$1")
for i in $(seq 0 ${last:-0}); do
    of_array=${last:+SLURM_ARRAY_JOB_ID=$n SLURM_ARRAY_TASK_ID=$i}
    setsid env $of_array SLURM_JOB_ID=$n SLURM_NTASKS=1 SLURM_PROCID=0 SLURM_LOCALID=0 bash script-$n > /dev/null 2>&1 &
    echo $! > job-$n${last:+_$i}
done
echo Submitted batch job $n""",
    "srun": """
while [[ $1 == -* ]]; do
    [[ $1 == --error ]] && log=${2//%A/$SLURM_ARRAY_JOB_ID} && log=${log//%a/$SLURM_ARRAY_TASK_ID}
    log=${log//%j/$SLURM_JOB_ID}
    [[ $1 == --output || $1 == --error ]] && shift; shift
done
cd "$OLDPWD" && exec "$@" > /dev/null 2> "${log//%t/0}" """,
    "sacct": """
[[ -e no-accounting ]] && exit 1
echo "JobID|State|NodeList"
for job in job-*; do
    if kill -0 $(cat $job) 2>/dev/null; then state=RUNNING; else state=FAILED; fi
    echo "${job#job-}|$state|here"
done""",
    "scancel": """
echo "$1" >> cancelled
for job in job-$1 job-$1_*; do [[ -e $job ]] && kill -9 -- -$(cat $job) 2>/dev/null; done; exit 0""",
}
"""Slurm's commands for submitit's own client of them, where there is no Slurm: jobs are processes of this machine."""


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which they keep what they know."""
    if not shutil.which("setsid"):
        pytest.skip("the stand-ins for Slurm's commands need setsid")
    folder = tmp_path / "commands"
    folder.mkdir()
    for name, text in STAND_INS.items():
        (folder / name).write_text(f"#!/bin/bash\ncd {folder}\n{text}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    watcher = type(SlurmJob.watcher)()  # one for a process remembers jobs of the same number in the test before
    monkeypatch.setattr(SlurmJob, "watcher", watcher)
    monkeypatch.setitem(by_slurm.PACES, "slurm", by_slurm.Pace(0.1, 0.5, 1.0))
    monkeypatch.setattr(by_slurm, "LARGEST_ARRAY", 2)
    return folder


def test_arrays_one_after_the_other(tmp_path: Path, commands: Path) -> None:
    """Of two tasks and of one; the job that is killed is in the second one again."""
    assert shared_out(Frail(tmp_path, 1), tmp_path / "slurm", 3, {"time": "5"}) == {0: 0, 1: 10, 2: 20}
    assert {file.name for file in commands.glob("job-*")} == {"job-100_0", "job-100_1", "job-101_0", "job-101_1"}


def test_a_death_that_no_accounting_tells_of(tmp_path: Path, commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (commands / "no-accounting").touch()
    monkeypatch.setattr(by_slurm, "SILENCE", 20.0)  # a busy machine may take ten to import
    assert shared_out(Frail(tmp_path, 1), tmp_path / "slurm", 2, {"time": "5"}) == {0: 0, 1: 10}


def test_an_array_is_cancelled_by_one_command(tmp_path: Path, commands: Path) -> None:
    def job(item: int, progress: Callable[[float], None]) -> None:
        (tmp_path / f"pid-{os.getpid()}").touch()
        time.sleep(300)

    def interrupt(shares: Any) -> None:
        if len(list(tmp_path.glob("pid-*"))) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(by_slurm.shared_out_by_slurm(job, range(3), interrupt, tmp_path / "slurm", {}, workers=2))
    assert gone([int(file.name[4:]) for file in tmp_path.glob("pid-*")])
    assert (commands / "cancelled").read_text(encoding="utf-8") == "100\n"


def test_what_sbatch_refuses(tmp_path: Path, commands: Path) -> None:
    (commands / "sbatch").write_text("#!/bin/sh\necho 'invalid partition specified: x' >&2; exit 1\n", encoding="utf-8")
    with pytest.raises(StudyError, match=r"sbatch refused the jobs \(.*invalid partition specified: x"):
        shared_out(Frail(tmp_path, 0), tmp_path / "slurm", 2, {"partition": "x"})


def test_without_sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(StudyError, match=r"there is no sbatch on this machine: .*--slurm cluster=local"):
        run_study(SETTINGS, tmp_path, how=ExecutionConfig("slurm", slurm={"partition": "gpu"}))


def test_without_submitit() -> None:
    code = "import sys; sys.modules['submitit'] = None; import halflife.lab.execution.slurm"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "needs submitit, which is not installed: pip install 'halflife-optim[slurm]'" in found.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cluster": "nowhere"}, "cluster is slurm, local"),
        ({"time": "long"}, "time takes a whole number of minutes, such as time=60, but got 'long'"),
        ({"gpus": "0"}, "gpus takes a whole number, such as"),
        ({"colour": "red"}, r"takes partition=…, time=MINUTES.*but: Unknown argument 'colour'"),
    ],
)
def test_options_that_are_none(tmp_path: Path, options: dict[str, str], sentence: str) -> None:
    with pytest.raises(StudyError, match=sentence):
        shared_out(Frail(tmp_path, 0), tmp_path, 1, {**LOCAL, **options})


def test_options_of_another_executor() -> None:
    with pytest.raises(StudyError, match="--slurm is for --executor slurm, but the executor is 'processes'"):
        ExecutionConfig("processes", slurm={"partition": "gpu"})
