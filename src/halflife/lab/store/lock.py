"""One driver for one folder: a lock that the operating system frees when its holder ends, however it ends."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import StudyError


class Lock:
    """Held from the construction to ``release``. Raises ``StudyError`` if another process holds it.

    Beside the lock, whose content is the library's own affair, lies the number of the process that has it.
    """

    def __init__(self, path: Path) -> None:
        self._lock, self._holder = FileLock(path, timeout=0, thread_local=False), path.with_suffix(".pid")
        try:
            self._lock.acquire()
        except Timeout:
            raise StudyError(
                f"another study is running in {path.parent} (process {self._read()}); wait for it, or choose another "
                "folder."
            ) from None
        except NotImplementedError:  # a file system without locks: SQLite's own must do
            return
        self._holder.write_text(str(os.getpid()), encoding="ascii")

    def _read(self) -> str:
        try:
            return self._holder.read_text(encoding="ascii") or "unknown"
        except OSError:
            return "unknown"

    def release(self) -> None:
        """Let the next one in."""
        if self._lock.is_locked:
            self._holder.unlink(missing_ok=True)
            self._lock.release()
