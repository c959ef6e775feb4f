"""Tiny-Shakespeare: 1,115,394 characters of his plays (Karpathy 2015, github.com/karpathy/char-rnn)."""

from __future__ import annotations

from pathlib import Path

from ...errors import StudyError
from .archives import ARCHIVES
from .download import fetch
from .folder import first_existing, read_bytes

FOLDER = "tinyshakespeare"


def read_shakespeare(folder: Path) -> str:
    """The text as it lies in ``folder`` or in ``tinyshakespeare`` within, else fetched."""
    here = first_existing(folder / place / "input.txt" for place in (FOLDER, "."))
    path = here or fetch(ARCHIVES["input.txt"], folder / FOLDER)
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise StudyError(
            f"{path} is no text in UTF-8 ({error.reason} at byte {error.start}); fetch it again."
        ) from None
