"""Fetching a file once, by pooch: checked against its checksum, whole or not there at all."""

# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false, reportMissingModuleSource=false
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pooch
from requests.exceptions import RequestException

from ...errors import StudyError
from .archives import Archive

TIMEOUT = 30.0
"""Seconds that a server may be silent."""
CHUNK = 1 << 18


def fetch(archive: Archive, folder: Path) -> Path:
    """The file in ``folder``; downloaded, with a bar on a terminal, unless it is there and its checksum is right.

    A download that breaks off or whose checksum is wrong leaves nothing behind, and the next one starts anew.
    Raises ``StudyError`` if the server or the folder does not play along.
    """
    bar: Any = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT, chunk_size=CHUNK)
    try:
        return Path(pooch.retrieve(archive.url, archive.checksum, archive.name, str(folder), downloader=bar))
    except RequestException as error:
        raise StudyError(f"{archive.url} could not be fetched ({_reason(error)}). {_instead(archive)}") from error
    except ValueError as error:
        raise StudyError(
            f"what {archive.url} sent is not what it should be: its checksum is not {archive.checksum}; "
            f"it was removed. {_instead(archive)}"
        ) from error
    except OSError as error:
        raise StudyError(
            f"{archive.name} cannot be written to {folder} ({error.strerror or error}); name a folder that can be "
            "written to by --data-dir or HALFLIFE_DATA, or one that has the file already."
        ) from error


def _instead(archive: Archive) -> str:
    return (
        f"Try again later, or get {archive.name} on another machine and name the folder that it is in by --data-dir or "
        "the environment variable HALFLIFE_DATA."
    )


def _reason(error: RequestException) -> str:
    """In a few words; requests tells the whole story of its sockets."""
    if error.response is not None:
        return f"the server answered {error.response.status_code}"
    names = {"ConnectTimeout": "no answer", "ReadTimeout": "no answer", "ConnectionError": "no connection"}
    return names.get(type(error).__name__, "the connection broke off")
