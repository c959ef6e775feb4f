"""What a job on a Slurm cluster does: one item; it tells of it in files, and ends when nobody waits for it any more."""

# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import os
import pickle
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from submitit.helpers import DelayedSubmission

from ..training.thread_setup import set_up_process, set_up_thread
from .protocol import Done, Failed, Message, Warned, dumped
from .serialization import pack
from .worker import Job, do

BEAT = 2.0
"""Seconds between two words of a job on how far it is."""

JOB, SHARE, RESULT = "job.pkl", ".share", ".result"


def write_job(job: Job, run: Path) -> None:
    """What all jobs of a run do, once for all of them: no data set lies in the submission of each."""
    (run / JOB).write_bytes(pickle.dumps((sys.path, pack(job, run))))


@dataclass(frozen=True)
class SlurmTask:
    """What is submitted: the item as bytes, and the folder ``run``, which is there as long as its driver waits.

    ``own_process`` says that the process does nothing else, and ends with the task.
    """

    run: Path
    index: int
    item: bytes
    own_process: bool = True

    def __call__(self) -> None:
        """In a thread, because the signals of time-outs and preemptions are for the first one."""
        thread = Thread(target=self._work, daemon=True)
        thread.start()
        thread.join()

    def checkpoint(self) -> DelayedSubmission:
        """What a requeued job does: the same, and training goes on from its own checkpoint."""
        return DelayedSubmission(self)

    def _work(self) -> None:
        (set_up_process if self.own_process else set_up_thread)()
        share, stop = [0.0], Event()
        beats = Thread(target=self._beat, args=(share, stop), daemon=True)
        beats.start()
        try:
            with warnings.catch_warnings(record=True) as heard:
                done = self._done(share)
            said = [dumped(Warned(str(one.message))) for one in heard]
            self._put(RESULT, pickle.dumps([*said, done]))
        finally:
            stop.set()
            beats.join()

    def _done(self, share: list[float]) -> bytes:
        def progress(of_it: float) -> None:
            share[0] = of_it

        try:
            paths, packed = pickle.loads((self.run / JOB).read_bytes())
            sys.path.extend(path for path in paths if path not in sys.path)
            return dumped(do(pickle.loads(packed), pickle.loads(self.item), progress))
        except BaseException as error:  # a job that ends without a word is taken for dead, and begun anew
            return dumped(Failed(error, traceback.format_exc()))

    def _beat(self, share: Sequence[float], stop: Event) -> None:
        """Say how far it is, each time in other words; end where the driver has taken its folder away."""
        count = 0
        while not stop.wait(BEAT):
            count += 1
            try:
                self._put(SHARE, f"{count} {share[0]}".encode())
            except FileNotFoundError:
                if self.own_process:
                    os._exit(1)
            except OSError:  # a file system that is busy
                continue

    def _put(self, suffix: str, content: bytes) -> None:
        """Whole or not at all."""
        beside = self.run / f"{self.index}{suffix}.new"
        beside.write_bytes(content)
        os.replace(beside, self.run / f"{self.index}{suffix}")


def read_result(run: Path, index: int) -> list[Message] | None:
    """What an item's job said at its end, or None if it has not."""
    try:
        said = (run / f"{index}{RESULT}").read_bytes()
    except FileNotFoundError:
        return None
    return [pickle.loads(message) for message in pickle.loads(said)]


def read_share(run: Path, index: int) -> tuple[str, float]:
    """The last word on how far it is, and the share in it; empty and 0 if there is none."""
    try:
        word = (run / f"{index}{SHARE}").read_text(encoding="ascii")
        return word, float(word.split()[1])
    except (OSError, IndexError, ValueError):
        return "", 0.0


__all__ = ["Done", "Failed", "SlurmTask", "Warned", "read_result", "read_share", "write_job"]
