"""Worker processes, one thread each: they share out items, and one that dies is replaced.

Processes rather than threads: no interpreter lock between them. Not ``multiprocessing``: its workers import the
caller's ``__main__`` again, which runs a script that has no ``if __name__ == "__main__"`` once more.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, BinaryIO, cast

from ..errors import StudyError
from .protocol import Done, Failed, Message, Share, Warned, receive, send
from .serialization import pack
from .worker import Job

HEARTBEAT = 0.2
"""Seconds between two reports of progress."""

TRIES = 2
"""How often an item is begun at most, if the worker that has it dies."""

Finished = tuple[int, Any, float]


def run_in_pool(
    job: Job, items: Sequence[Any], progress: Callable[[Sequence[float]], None], workers: int
) -> Iterator[Finished]:
    """Index, result and seconds of each item, as they are finished; items are begun in their order.

    ``progress`` hears each item's share that is done, several times a second. An error in the job is raised here; a
    worker that dies is replaced and its item begun anew, once, then it is a ``StudyError``. However this ends, no
    worker is left behind.
    """
    with TemporaryDirectory(prefix="halflife-") as folder:
        pool = _Pool(pack(job, Path(folder)), items, Path(folder))
        try:
            for _ in range(min(workers, len(items))):
                pool.hire()
            yield from pool.work(progress)
        finally:
            pool.dismiss()


class _Worker:
    """A process, and a thread that puts what it says in the inbox: None at last, when it is gone."""

    def __init__(self, job: bytes, inbox: SimpleQueue[tuple[_Worker, Message | None]]) -> None:
        program = f"import sys; sys.path[:] = {sys.path!r}; from {__package__}.worker import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )
        self.item: int | None = None
        self.inbox = inbox
        self.outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self.threads = [Thread(target=self._listen, daemon=True), Thread(target=self._speak, daemon=True)]
        for thread in self.threads:
            thread.start()
        self.tell(job)

    def tell(self, message: bytes) -> None:
        self.outbox.put(message)

    def _speak(self) -> None:
        """In a thread, because a long message is not taken before the worker has begun to read."""
        with suppress(BrokenPipeError), cast(BinaryIO, self.process.stdin) as pipe:
            while (message := self.outbox.get()) is not None:
                send(pipe, message)

    def _listen(self) -> None:
        with cast(BinaryIO, self.process.stdout) as pipe:
            while (message := receive(pipe)) is not None:
                self.inbox.put((self, _read(message)))
        self.inbox.put((self, None))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.outbox.put(None)
        for thread in self.threads:
            thread.join()


def _read(message: bytes) -> Message:
    """What a worker says; a result that cannot be read here ends the study, and not this thread."""
    try:
        return pickle.loads(message)
    except Exception as error:
        return Failed(
            StudyError(f"what a worker process returned cannot be read ({type(error).__name__}: {error})"), ""
        )


class _Pool:
    """The workers, what they have in hand and what is left to do."""

    def __init__(self, job: bytes, items: Sequence[Any], folder: Path) -> None:
        self.job, self.items, self.folder = job, items, folder
        self.inbox: SimpleQueue[tuple[_Worker, Message | None]] = SimpleQueue()
        self.workers: list[_Worker] = []
        self.left = deque(range(len(items)))
        self.shares = [0.0] * len(items)
        self.deaths: Counter[int] = Counter()

    def hire(self) -> None:
        worker = _Worker(self.job, self.inbox)
        self.workers.append(worker)
        self._give(worker)

    def _give(self, worker: _Worker) -> None:
        worker.item = self.left.popleft() if self.left else None
        if worker.item is not None:
            worker.tell(pack(self.items[worker.item], self.folder))

    def work(self, progress: Callable[[Sequence[float]], None]) -> Iterator[Finished]:
        finished, reported = 0, 0.0
        while finished < len(self.items):
            try:
                worker, message = self.inbox.get(timeout=HEARTBEAT)
            except Empty:
                worker, message = None, None
            if worker is not None:
                for result in self._hear(worker, message):
                    finished += 1
                    yield result
            if time.perf_counter() - reported > HEARTBEAT:
                reported = time.perf_counter()
                progress(self.shares)

    def _hear(self, worker: _Worker, message: Message | None) -> Iterator[Finished]:
        """What a message asks for; the worker gets its next item before the result is told."""
        index = worker.item
        match message:
            case Share(share) if index is not None:
                self.shares[index] = share
            case Done(result, seconds) if index is not None:
                self.shares[index] = 1.0
                self._give(worker)
                yield index, result, seconds
            case Failed(error, trace):
                raise error from RuntimeError(f"in a worker process:\n{trace}")
            case Warned(text):
                warnings.warn(text, RuntimeWarning, stacklevel=2)
            case _:
                self._replace(worker)

    def _replace(self, worker: _Worker) -> None:
        """A worker is gone: killed, or out of memory. Its item goes first again."""
        worker.end()
        self.workers.remove(worker)
        if worker.item is None:
            return
        self.deaths[worker.item] += 1
        if self.deaths[worker.item] == TRIES:
            raise StudyError(
                f"a worker process died twice on the same networks ({_last_words(worker)}); if it was killed for want "
                "of memory, train fewer at a time (--memory)."
            )
        self.left.appendleft(worker.item)
        self.hire()

    def dismiss(self) -> None:
        for worker in self.workers:
            worker.end()


def _last_words(worker: _Worker) -> str:
    code = worker.process.returncode
    return f"killed by signal {-code}" if code < 0 else f"it ended with status {code}"
