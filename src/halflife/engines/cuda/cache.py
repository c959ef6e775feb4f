"""Compiled kernels on disk, where nobody else can put one: what lies there is executed.

A file's name is the digest of its key and that of its content, so that what was cut short is made anew. The folder is
bounded: the files that were not used for longest go first.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from time import time
from typing import NamedTuple
from warnings import warn

from ...caller import level_of_caller

FOLDER = "HALFLIFE_CACHE"
"""The environment variable that says where compiled kernels are kept."""

TESTED = ".tested"
"""The suffix of what says that a kernel's self-test found it right."""

MOST_FILES, MOST_BYTES = 4000, 256 << 20  # a kernel is two: itself, and what its self-test found
_OURS, _PART = re.compile(r"[0-9a-f]{32}-[0-9a-f]{32}\.\w+"), "part-"
_HOUR = 3600.0


class Place(NamedTuple):
    """Where compiled kernels lie; ``trouble``: why not where they should, if they end with this process."""

    path: Path
    trouble: str | None


class Usage(NamedTuple):
    """How many files there are, their bytes, and how many of them are kernels: the others are self-tests' marks."""

    files: int
    bytes: int
    kernels: int


def artifact(key: Sequence[str], suffix: str, make: Callable[[Path], None]) -> Path:
    """The file that ``make`` writes to the path that it is given; made once for a key.

    Processes that make the same at once do not see each other's halves. Where the folder is full or cannot be written
    to, the file ends with this process. Raises what ``make`` raises, and ``OSError`` where there is no temporary
    folder either.
    """
    name = _digest("\0".join(key).encode())
    return _found(place().path, name, suffix) or _made(name, suffix, make)


@cache
def place() -> Place:
    """HALFLIFE_CACHE, or halflife's in the user's cache; a folder of this process alone where that will not do.

    That is where it cannot be made, is another user's, or others can write into it.
    """
    path, trouble = _wanted(), None
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = path.resolve(strict=True)
        trouble = _trouble(path)
    except (OSError, RuntimeError) as error:
        trouble = f"it cannot be made or read ({error})"
    if trouble is None:
        return Place(path, None)
    if os.environ.get(FOLDER):
        text = f"{FOLDER}={os.environ[FOLDER]} is not used, for {trouble}; each process compiles its kernels anew."
        warn(text, UserWarning, stacklevel=level_of_caller())
    return Place(_last_resort(), f"{path} is not used, for {trouble}")


def usage() -> Usage:
    """What the folder holds of ours."""
    files = list(_files(place().path))
    kernels = sum(path.suffix != TESTED for path, _ in files)
    return Usage(len(files), sum(about.st_size for _, about in files), kernels)


def clear() -> Usage:
    """Remove what the folder holds of ours, and say how much it was."""
    found = usage()
    for path, _ in _files(place().path):
        path.unlink(missing_ok=True)
    return found


def _wanted() -> Path:
    given = os.environ.get(FOLDER)
    if given:
        return Path(os.path.abspath(os.path.expanduser(given)))
    home = os.environ.get("XDG_CACHE_HOME", "")
    base = home if os.path.isabs(home) else os.path.expanduser("~/.cache")
    return Path(base) / "halflife"


def _trouble(path: Path) -> str | None:
    """Why what lies in this folder is not to be executed, if that is so; its links are resolved."""
    if os.name == "nt":
        return None  # a user's profile is the user's own there
    for folder in (path, *path.parents):
        about = folder.stat()
        others = stat.S_IWOTH | (stat.S_IWGRP if folder == path else 0)
        kept = folder != path and about.st_mode & stat.S_ISVTX  # as in /tmp: nobody moves what is another's
        if about.st_uid not in (0, os.getuid()):
            return f"{folder} is another user's"
        if about.st_mode & others and not kept:
            return f"others can write into {folder}"
    return None


@cache
def _last_resort() -> Path:
    """A folder that ends with this process; with none that it was copied into by a fork."""
    path, owner = Path(tempfile.mkdtemp(prefix="halflife-")), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(path, ignore_errors=True)

    atexit.register(remove)
    return path


def _found(folder: Path, name: str, suffix: str) -> Path | None:
    """The file of that key, if there is one that is ours and whole."""
    for path in folder.glob(f"{name}-*{suffix}"):
        with suppress(OSError):
            if _is_ours(path.lstat()) and path.name == _name(name, path.read_bytes(), suffix):
                with suppress(OSError):
                    os.utime(path)
                return path
            path.unlink()
    return None


def _is_ours(about: os.stat_result) -> bool:
    """Whether this is a file, written by this user or the system's, that no other can change."""
    if os.name == "nt":
        return stat.S_ISREG(about.st_mode)
    others = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISREG(about.st_mode) and about.st_uid in (0, os.getuid()) and not others


def _made(name: str, suffix: str, make: Callable[[Path], None]) -> Path:
    with tempfile.TemporaryDirectory(prefix="halflife-") as beside:
        part = Path(beside) / f"made{suffix}"
        make(part)
        content = part.read_bytes()
    final = _name(name, content, suffix)
    try:
        path = _written(place().path / final, content)
    except OSError:  # a disk that is full or read-only
        return _written(_last_resort() / final, content)
    with suppress(OSError):
        _prune(path.parent, path)
    return path


def _written(path: Path, content: bytes) -> Path:
    """The file with this content, which appears whole."""
    handle, part = tempfile.mkstemp(prefix=_PART, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)
    return path


def _prune(folder: Path, spared: Path) -> None:
    """Keep the folder within its bounds, and free of what was never finished."""
    files = sorted(_files(folder), key=lambda x: (x[0] != spared, -x[1].st_mtime))
    size = 0
    for k, (path, about) in enumerate(files):
        size += about.st_size
        if path != spared and (k >= MOST_FILES or size > MOST_BYTES):
            path.unlink(missing_ok=True)
    for part in folder.glob(f"{_PART}*"):
        with suppress(OSError):
            if part.lstat().st_mtime < time() - _HOUR:
                part.unlink()


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """What artifacts lie there; other files are somebody else's."""
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name):
            with suppress(OSError):
                yield path, path.lstat()


def _name(name: str, content: bytes, suffix: str) -> str:
    return f"{name}-{_digest(content)}{suffix}"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
