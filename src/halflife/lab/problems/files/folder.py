"""Where the data lies."""

# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pooch

from ...errors import StudyError

VARIABLE = "HALFLIFE_DATA"
"""The environment variable that names the folder of the data."""


def data_folder(given: str | Path | None = None) -> Path:
    """``given``, else what HALFLIFE_DATA names, else the user's cache: data is looked for there, and fetched to there.

    Raises ``StudyError`` where a folder is named that does not exist: a slip of the pen should not start a download.
    """
    named = given if given is not None else os.environ.get(VARIABLE)
    if not named:
        return Path(pooch.os_cache("halflife"))
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        who = "--data-dir" if given is not None else VARIABLE
        raise StudyError(f"{who} names the folder {folder}, which does not exist; correct it, or create the folder.")
    return folder


def first_existing(paths: Iterable[Path]) -> Path | None:
    """The first of them that is a file."""
    return next((path for path in paths if path.is_file()), None)


def read_bytes(path: Path) -> bytes:
    """The whole file. Raises ``StudyError`` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror or error}.") from error
