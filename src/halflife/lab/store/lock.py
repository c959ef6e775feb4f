"""One driver for one folder: a lock that the operating system frees when its holder ends, however it ends."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import StudyError

try:
    import fcntl
except ModuleNotFoundError:  # Windows: SQLite's own locks must do
    fcntl = None


class Lock:
    """Held from the construction to ``release``. Raises ``StudyError`` if another process holds it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode() or "unknown"
            self.release()
            raise StudyError(
                f"another study is running in {path.parent} (process {holder}); wait for it, or choose another folder."
            ) from None
        os.truncate(self._file, 0)
        os.write(self._file, str(os.getpid()).encode())

    def release(self) -> None:
        """Let the next one in; the file stays, so that two can never hold two files of one name."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
