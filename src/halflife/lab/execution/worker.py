"""A worker process: takes items from its standard input, tells of them on its standard output, dies with the driver."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, BinaryIO

from ..training.thread_setup import set_up_process
from .protocol import Done, Failed, Message, Share, Warned, dumped, receive, send

Job = Callable[[Any, Callable[[float], None]], Any]
"""From an item, and a function that hears the share of it that is done, to a result."""


def main() -> None:
    """The first message is the job, each other an item for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver is interrupted too, and says what to do
    source, to = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a model prints must not look like a message
    set_up_process()
    inbox: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_read, args=(source, inbox), daemon=True).start()
    lock = Lock()

    def tell(message: Message) -> None:
        content = dumped(message)
        with lock:
            send(to, content)

    def warn(message: Warning | str, *_: Any) -> None:
        tell(Warned(str(message)))

    warnings.showwarning = warn
    try:
        job: Job = pickle.loads(inbox.get())
    except Exception as error:
        return tell(Failed(error, traceback.format_exc()))
    while True:
        tell(do(job, pickle.loads(inbox.get()), lambda share: tell(Share(share))))


def _read(source: BinaryIO, inbox: SimpleQueue[bytes]) -> None:
    """All messages, in a thread of its own: only so is it noticed at once, in the midst of an item, that the driver is
    gone, by whatever death.
    """
    while (message := receive(source)) is not None:
        inbox.put(message)
    os._exit(1)


def do(job: Job, item: Any, progress: Callable[[float], None]) -> Message:
    """The item's result, or how it failed."""
    start = time.perf_counter()
    try:
        return Done(job(item, progress), time.perf_counter() - start)
    except Exception as error:
        return Failed(error, traceback.format_exc())
