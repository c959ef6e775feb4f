"""Many machines under Slurm: each item a task of a job array, submitted and watched through submitit.

halflife must be installed on the nodes, and the study's folder lie where they and this machine see it. The driver alone
writes the ledger; jobs put their results in the folder, and it waits for them.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

import shutil
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

from ..errors import StudyError
from .process_pool import HEARTBEAT, TRIES, Finished
from .protocol import Done, Failed, Message, Warned
from .serialization import pack
from .worker import Job

try:
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError
except ModuleNotFoundError as error:
    raise StudyError(
        "the executor slurm needs submitit, which is not installed: pip install 'halflife-optim[slurm]'"
    ) from error

from .slurm_job import SlurmTask, read_result, read_share, write_job

MINUTES = 60
"""Of a job, where none are given; one that needs more is requeued and goes on from its checkpoint."""

REQUEUED = 20
"""How often a job may run out of its time."""

LARGEST_ARRAY = 1000
"""Tasks in a job array at most: Slurm's own bound, MaxArraySize, is 1001 unless a cluster says otherwise."""

SILENCE = 600.0
"""Seconds without a word after which a job is taken for dead, where the cluster's accounting knows nothing of it."""

WHOLE = {"time": "timeout_min", "cpus": "cpus_per_task", "gpus": "gpus_per_node", "nodes": "nodes"}
"""Options that are whole numbers, and submitit's names of them."""


class Pace(NamedTuple):
    """Seconds between two looks for results and for deaths; how long a result may be on its way through the network's
    file system after its job has ended.
    """

    results: float
    deaths: float
    grace: float


PACES = {"slurm": Pace(2.0, 20.0, 30.0)}
HERE = Pace(0.0, 0.0, 0.0)


def shared_out_by_slurm(
    job: Job,
    items: Sequence[Any],
    progress: Callable[[Sequence[float]], None],
    folder: Path,
    options: Mapping[str, Any],
    workers: int | None = None,
) -> Iterator[Finished]:
    """Index, result and seconds of each item, as they are finished: a ``ShareOut``.

    In ``folder`` are the logs. ``options`` are Slurm's ("partition", "time" in minutes, "mem", "gpus"), and "cluster",
    which may be submitit's "local" or "debug" instead; ``workers`` is how many of an array run at a time. An item whose
    job dies is submitted anew, once; then it is a ``StudyError``. However this ends, no job is left behind.
    """
    if not items:
        return
    folder, cluster = folder.absolute(), str(options.get("cluster", "slurm"))
    executor = executor_of(folder, options, workers)
    for stale in folder.glob("run-*"):  # a driver was killed here: its jobs end when they miss this
        shutil.rmtree(stale, ignore_errors=True)
    run = Path(mkdtemp(prefix="run-", dir=folder))
    write_job(job, run)
    tasks = [SlurmTask(run, i, pack(item, run), cluster != "debug") for i, item in enumerate(items)]
    jobs = _Jobs(executor, tasks, run, LARGEST_ARRAY if cluster == "slurm" else workers or 1, PACES.get(cluster, HERE))
    try:
        yield from jobs.work(progress)
    finally:
        jobs.end()
        shutil.rmtree(run, ignore_errors=True)
        for letter in (*folder.glob("*_submitted.pkl"), *folder.glob("*_result.pkl")):
            letter.unlink(missing_ok=True)


def executor_of(folder: Path, options: Mapping[str, Any], workers: int | None) -> Any:
    """submitit's executor, with its options. Raises ``StudyError`` where there is no Slurm, or not such an option."""
    cluster = str(options.get("cluster", "slurm"))
    if cluster not in ("slurm", "local", "debug"):
        raise StudyError(f"--slurm cluster is slurm, local (processes here) or debug (this one), not {cluster!r}.")
    if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise StudyError(
            "there is no sbatch on this machine: run the study on a login node of the cluster, or try it here, in "
            "processes, by --slurm cluster=local."
        )
    given: dict[str, Any] = {"timeout_min": MINUTES, "name": "halflife"}
    if workers is not None:
        given["slurm_array_parallelism"] = workers
    for key, value in options.items():
        if key in WHOLE:
            given[WHOLE[key]] = _whole(key, value)
        elif key == "setup":
            given["slurm_setup"] = [str(value)]
        elif key != "cluster":
            given[f"slurm_{key}"] = value
    try:
        folder.mkdir(parents=True, exist_ok=True)
        more = {"slurm_max_num_timeout": REQUEUED} if cluster == "slurm" else {}
        executor = submitit.AutoExecutor(folder, cluster=cluster, **more)
        executor.update_parameters(**given)
    except (NameError, ValueError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise StudyError(
            "--slurm takes partition=…, time=MINUTES, cpus=…, gpus=…, mem=8G or another of submitit's options for "
            f"Slurm, but: {reason}"
        ) from error
    except OSError as error:
        raise StudyError(f"the folder of Slurm's logs, {folder}, cannot be made ({error.strerror}).") from error
    return executor


def _whole(key: str, value: Any) -> int:
    unit = " of minutes" if key == "time" else ""
    with suppress(ValueError, TypeError):
        if int(value) >= 1:
            return int(value)
    raise StudyError(f"--slurm {key} takes a whole number{unit}, such as {key}=60, but got {value!r}.")


class _Jobs:
    """What is submitted, what is left, and who died."""

    def __init__(self, executor: Any, tasks: Sequence[SlurmTask], run: Path, most: int, pace: Pace) -> None:
        self.executor, self.tasks, self.run, self.most, self.pace = executor, tasks, run, most, pace
        self.left, self.running = deque(range(len(tasks))), dict[int, Any]()
        self.submitted = list[Any]()
        self.shares, self.deaths = [0.0] * len(tasks), Counter[int]()
        self.heard, self.ended = dict[int, tuple[str, float]](), dict[int, float]()

    def work(self, progress: Callable[[Sequence[float]], None]) -> Iterator[Finished]:
        for_results = for_deaths = 0.0
        while self.left or self.running:
            self._submit()
            now = time.monotonic()
            if now >= for_results:
                yield from self._results()
                for_results = now + self.pace.results
            if now >= for_deaths:
                self._bury()
                for_deaths = now + self.pace.deaths
            progress(self.shares)
            if self.running:
                time.sleep(HEARTBEAT)

    def _submit(self) -> None:
        """As an array; the next one when it is done, as each has its own bound of tasks at a time."""
        if not self.left or (self.running and self.executor.cluster == "slurm"):
            return
        chosen = [self.left.popleft() for _ in range(min(len(self.left), self.most - len(self.running)))]
        if not chosen:
            return
        try:
            jobs = self.executor.submit_array([self.tasks[index] for index in chosen])
        except (FailedJobError, FailedSubmissionError, OSError, RuntimeError) as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise StudyError(f"sbatch refused the jobs ({lines[-1] if lines else type(error).__name__}).") from error
        self.submitted += jobs
        self.running.update(zip(chosen, jobs, strict=True))

    def _results(self) -> Iterator[Finished]:
        for index in list(self.running):
            messages = read_result(self.run, index)
            if messages is not None:
                del self.running[index]
                yield self._read(index, messages)
            else:
                word, share = read_share(self.run, index)
                self.shares[index] = max(self.shares[index], share)
                if word != self.heard.get(index, ("",))[0]:
                    self.heard[index] = word, time.monotonic()

    def _read(self, index: int, messages: Sequence[Message]) -> Finished:
        for message in messages:
            match message:
                case Warned(text):
                    warnings.warn(text, RuntimeWarning, stacklevel=2)
                case Failed(error, trace):
                    raise error from RuntimeError(f"in a Slurm job:\n{trace}")
                case Done(result, seconds):
                    self.shares[index] = 1.0
                    return index, result, seconds
                case _:
                    continue
        raise StudyError(f"a Slurm job said nothing of its networks; its log is in {self.run.parent}.")

    def _bury(self) -> None:
        """A job that has ended and left no result is dead, and so is one that is silent and unknown to the cluster."""
        for index, job in list(self.running.items()):
            now = time.monotonic()
            if index not in self.heard and job.paths.stderr.exists():
                self.heard[index] = "", now  # it has begun
            if job.done():
                ended = self.ended.setdefault(index, now)
                if now - ended < self.pace.grace or read_result(self.run, index) is not None:
                    continue
            elif index not in self.heard or now - self.heard[index][1] < SILENCE or job.state != "UNKNOWN":
                continue
            self._retry(index, job)

    def _retry(self, index: int, job: Any) -> None:
        del self.running[index]
        self.ended.pop(index, None)
        self.heard.pop(index, None)
        self.deaths[index] += 1
        job.cancel(check=False)
        if self.deaths[index] == TRIES:
            raise StudyError(
                f"a Slurm job died {TRIES} times on the same networks (job {job.job_id}, {_last_words(job)}); its log "
                f"is {job.paths.stderr}. If it was killed for want of memory or time, ask for more: --slurm mem=16G, "
                "--slurm time=240."
            )
        self.left.appendleft(index)

    def end(self) -> None:
        """Cancel all that run; of an array by one command."""
        whole = {job.job_id.partition("_")[0]: job for job in self.running.values()}
        for number, job in whole.items():
            of_all = job if number == job.job_id else type(job)(self.executor.folder, number)
            of_all.cancel(check=False)
        if self.executor.cluster == "local":  # children of this process, which end within two seconds
            while not all(job.done() for job in self.submitted):
                time.sleep(0.05)


def _last_words(job: Any) -> str:
    """The last line of its log, and the state that the cluster knows it in."""
    with suppress(OSError):
        lines = [line for line in job.paths.stderr.read_text(encoding="utf-8", errors="replace").splitlines() if line]
        if lines:
            return f"{job.state}: {lines[-1][:200]}"
    return str(job.state)
