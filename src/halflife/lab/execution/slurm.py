"""A cluster under Slurm: each batch of networks is a job of one array, submitted through submitit.

All machines see the study's folder: job and items are files in its ``slurm`` folder, and so are the jobs' logs, their
results and how far they are. The driver alone writes the ledger.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportMissingImports=false
from __future__ import annotations

import os
import pickle
import shutil
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import StudyError
from ..training.thread_setup import set_up_process, set_up_thread
from .process_pool import HEARTBEAT, TRIES, Finished
from .protocol import Done, Failed, Message, dumped
from .serialization import pack

try:
    import submitit
except ModuleNotFoundError as error:
    raise StudyError(
        "the executor slurm needs submitit, which is not installed: pip install 'halflife-optim[slurm]'"
    ) from error

SHORT = {"time": "timeout_min", "cpus": "cpus_per_task", "mem": "mem_gb", "gpus": "gpus_per_node", "name": "name"}
"""What all of submitit's clusters understand, by shorter names; minutes and gigabytes."""
CLUSTERS = ("slurm", "local", "debug")
DAY = 24 * 60
"""Minutes that a job may take unless ``time`` says otherwise."""


def shared_out_by_slurm(
    job: Callable[[Any, Callable[[float], None]], Any],
    items: Sequence[Any],
    progress: Callable[[Sequence[float]], None],
    folder: Path,
    workers: int | None = None,
    options: Mapping[str, str] | None = None,
) -> Iterator[Finished]:
    """Index, result and seconds of each item, as they are finished: a ``ShareOut``.

    At most ``workers`` jobs run at a time. ``options`` are those of ``SHORT``, ``cluster`` for another of submitit's,
    and any of ``sbatch``'s. A job that dies is submitted anew, once; then it is a ``StudyError``. However this ends, no
    job is left in the queue. Raises ``StudyError`` if there is no Slurm here or it does not take the options.
    """
    if not items:
        return
    folder.mkdir(parents=True, exist_ok=True)
    executor = _executor(folder, workers, dict(options or {}))
    (folder / "job.pkl").write_bytes(pack(job, folder))
    for index, item in enumerate(items):
        (folder / f"item-{index}.pkl").write_bytes(pack(item, folder))
        (folder / f"share-{index}").unlink(missing_ok=True)
    jobs = dict(enumerate(_submit(executor, folder, range(len(items)))))
    tries = Counter[int]()
    try:
        while jobs:
            for index, submitted in list(jobs.items()):
                if not submitted.done():
                    continue
                message = _outcome(submitted)
                if isinstance(message, str):
                    jobs[index] = _again(executor, folder, index, tries, message)
                    continue
                del jobs[index]
                yield index, *_told(message)
            progress([1.0 if i not in jobs else _share(folder, i) for i in range(len(items))])
            if jobs:
                time.sleep(HEARTBEAT)
    finally:
        for submitted in jobs.values():
            with suppress(Exception):  # a job that is gone cannot be cancelled
                submitted.cancel(check=False)


def _executor(folder: Path, workers: int | None, options: dict[str, str]) -> Any:
    cluster = options.pop("cluster", "slurm")
    if cluster not in CLUSTERS:
        raise StudyError(f"--slurm cluster={cluster} is not known; choose among {', '.join(CLUSTERS)}.")
    if cluster == "slurm" and shutil.which("sbatch") is None:
        raise StudyError(
            "there is no Slurm here (no sbatch in PATH): run this on a login node of the cluster, or try it here with "
            "--slurm cluster=local."
        )
    own = {SHORT.get(name, f"slurm_{name}"): _value(value) for name, value in options.items()}
    if workers is not None:
        own["slurm_array_parallelism"] = workers
    executor = submitit.AutoExecutor(folder=folder / "%j", cluster=cluster)
    try:
        executor.update_parameters(**{"timeout_min": DAY, "name": "halflife", "cpus_per_task": 1, **own})
    except Exception as error:  # submitit's and its clusters' are of many kinds
        given = ", ".join(f"{name}={value}" for name, value in options.items())
        raise StudyError(f"Slurm does not take --slurm {given} ({error}).") from error
    return executor


def _value(text: str) -> int | str:
    return int(text) if str(text).lstrip("-").isdecimal() else text


def _submit(executor: Any, folder: Path, indices: Sequence[int]) -> list[Any]:
    """As one array."""
    try:
        with executor.batch():
            return [executor.submit(work, str(folder), index) for index in indices]
    except Exception as error:
        raise StudyError(f"the jobs cannot be submitted ({str(error).strip().splitlines()[-1]}).") from error


def _again(executor: Any, folder: Path, index: int, tries: Counter[int], why: str) -> Any:
    """A job that died, submitted anew."""
    tries[index] += 1
    if tries[index] == TRIES:
        raise StudyError(
            f"a Slurm job died {TRIES} times on the same networks ({why}); its logs are in {folder}. If it was killed "
            "for want of time or memory, give it more (--slurm time=MINUTES, --slurm mem=GIGABYTES)."
        )
    return _submit(executor, folder, [index])[0]


def _outcome(submitted: Any) -> Message | str:
    """What a job says; in words why it says nothing."""
    try:
        return pickle.loads(submitted.result()[0])
    except Exception as error:  # killed, out of time, or its result is not there
        lines = [line for line in str(error).strip().splitlines() if line.strip(" -")]
        return lines[-1].strip() if lines else type(error).__name__


def _told(message: Message) -> tuple[Any, float]:
    match message:
        case Done(result, seconds):
            answer, texts = result
            for text in texts:
                warnings.warn(text, RuntimeWarning, stacklevel=2)
            return answer, seconds
        case Failed(error, trace):
            raise error from RuntimeError(f"in a Slurm job:\n{trace}")
        case _:
            raise StudyError(f"a Slurm job says what is not understood: {message!r}.")


def _share(folder: Path, index: int) -> float:
    try:
        return float((folder / f"share-{index}").read_text(encoding="ascii"))
    except (OSError, ValueError):  # not begun, or in the midst of being written
        return 0.0


def work(folder: str, index: int) -> tuple[bytes]:
    """What a job does. In a tuple, for submitit takes bytes alone for a path."""
    here = Path(folder)
    (set_up_thread if submitit.JobEnvironment().cluster == "debug" else set_up_process)()
    start = time.perf_counter()
    last = [0.0]

    def report(share: float) -> None:
        if time.perf_counter() - last[0] > 1.0:
            last[0] = time.perf_counter()
            beside = here / f"share-{index}.{os.getpid()}"
            beside.write_text(f"{share:.4f}", encoding="ascii")
            beside.replace(here / f"share-{index}")

    try:
        job, item = (pickle.loads((here / name).read_bytes()) for name in ("job.pkl", f"item-{index}.pkl"))
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            result = job(item, report)
        texts = [str(one.message) for one in heard if issubclass(one.category, RuntimeWarning)]
        return (dumped(Done((result, texts), time.perf_counter() - start)),)
    except Exception as error:
        return (dumped(Failed(error, traceback.format_exc())),)
