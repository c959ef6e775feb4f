"""Compiled kernels on disk, where nobody else can put one: a folder of one's own, files that appear whole."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

FOLDER = "HALFLIFE_CACHE"
"""The environment variable that says where compiled kernels are kept."""


def artifact(key: Sequence[str], suffix: str, make: Callable[[Path], None]) -> Path:
    """The file that ``make`` writes to the path it is given, made once for a key.

    Raises what ``make`` raises. A file is written beside its place and then renamed, so that two processes that make
    the same do not see each other's halves.
    """
    name = hashlib.sha256("\0".join(key).encode()).hexdigest()[:32] + suffix
    path = folder() / name
    if not _is_ours(path):
        handle, part = tempfile.mkstemp(suffix=suffix, dir=folder())
        os.close(handle)
        try:
            make(Path(part))
            os.replace(part, path)
        finally:
            Path(part).unlink(missing_ok=True)
    return path


@cache
def folder() -> Path:
    """Where compiled kernels lie: HALFLIFE_CACHE, or halflife's in the user's cache, or one of this process alone.

    The last where the folder cannot be made, or another user could write into it: what lies there is executed.
    """
    base = os.environ.get(FOLDER)
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    path = Path(base) if base else Path(home).expanduser() / "halflife"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.stat()
        if mode.st_uid == os.getuid() and not mode.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and os.access(path, os.W_OK):
            return path.resolve()
    except (OSError, RuntimeError):
        pass
    return Path(tempfile.mkdtemp(prefix="halflife-"))


def _is_ours(path: Path) -> bool:
    """Whether there is such a file, written by this user, and by no other since."""
    try:
        mode = path.stat()
    except OSError:
        return False
    return mode.st_uid == os.getuid() and mode.st_size > 0 and not mode.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
