"""Items done in this process, one after the other, in a thread whose settings are its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import Any

from ..training.thread_setup import set_up_thread
from . import process_pool
from .worker import Job


def run_in_process(
    job: Job, items: Sequence[Any], progress: Callable[[Sequence[float]], None]
) -> Iterator[process_pool.Finished]:
    """As ``process_pool.run_in_pool``, without workers. What ``progress`` raises stops the job at its next report."""
    shares, stop = [0.0] * len(items), Event()

    def report(share: float) -> None:
        shares[index] = share
        if stop.is_set():
            raise _StoppedError

    with ThreadPoolExecutor(1, initializer=set_up_thread) as pool:
        try:
            for index, item in enumerate(items):
                start = time.perf_counter()
                future = pool.submit(job, item, report)
                while wait([future], process_pool.HEARTBEAT).not_done:
                    progress(shares)
                result = future.result()
                shares[index] = 1.0
                yield index, result, time.perf_counter() - start
        finally:
            stop.set()


class _StoppedError(BaseException):
    """The caller has given up, so the thread does too."""
