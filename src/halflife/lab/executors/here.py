"""Items done in this process, one after the other, in a thread whose settings are its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import Any

from . import crew
from .settled import settle_thread
from .worker import Job


def work_here(job: Job, items: Sequence[Any], progress: Callable[[Sequence[float]], None]) -> Iterator[crew.Finished]:
    """As ``crew.work_in_crew``, without workers. What ``progress`` raises stops the job at its next report."""
    shares, stop = [0.0] * len(items), Event()

    def report(share: float) -> None:
        shares[index] = share
        if stop.is_set():
            raise _StoppedError

    with ThreadPoolExecutor(1, initializer=settle_thread) as pool:
        try:
            for index, item in enumerate(items):
                start = time.perf_counter()
                future = pool.submit(job, item, report)
                while wait([future], crew.HEARTBEAT).not_done:
                    progress(shares)
                result = future.result()
                shares[index] = 1.0
                yield index, result, time.perf_counter() - start
        finally:
            stop.set()


class _StoppedError(Exception):
    """The caller has given up, so the thread does too."""
