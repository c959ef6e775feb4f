"""How a thread that trains is set up."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import ctypes
import sys

import torch

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
"""glibc's names for the two, in <malloc.h>."""


def set_up_thread() -> None:
    """A thread's own settings: no threads below it, and weights that decay to nothing become 0 instead of slow."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def set_up_process() -> None:
    """Of a process that does nothing but train: its memory is not handed back between two operations.

    A stack's activations are megabytes, which glibc asks the system for, gets filled with zeros page by page and gives
    back each time: measured, a quarter of a step. Where there is no glibc nothing is done.
    """
    set_up_thread()
    if sys.platform.startswith("linux"):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(MMAP_THRESHOLD, 1 << 30)
            mallopt(TRIM_THRESHOLD, (1 << 31) - 1)
