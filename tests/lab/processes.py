"""Whether processes that are none of this one's children live."""

import os
import time
from collections.abc import Iterable
from pathlib import Path


def alive(pid: int) -> bool:
    """A zombie is not. The process may go between any two looks at it, and in the midst of one."""
    try:
        if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
            return False
    except OSError:
        pass  # it is gone, or there is no /proc here: that is for the signal to say
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pids: Iterable[int], seconds: float = 20) -> bool:
    """Whether all of them end within that time."""
    left, end = [*pids], time.monotonic() + seconds
    while (left := [pid for pid in left if alive(pid)]) and time.monotonic() < end:
        time.sleep(0.05)
    return not left
