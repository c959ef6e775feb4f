"""Sentences wrapped at words to the terminal's columns; without any package for it."""

from __future__ import annotations

import os
import sys
from shutil import get_terminal_size
from textwrap import TextWrapper
from unicodedata import combining

from .letters import readable

WIDEST = 120
"""Columns: longer lines than these are hard to read."""


def columns(text: str) -> int:
    """How many columns a terminal shows it in: an accent is none."""
    return sum(not combining(letter) for letter in text)


def folded(text: str, width: int, indent: int = 0) -> list[str]:
    """Its lines, folded at blanks, all but a paragraph's first indented; a word longer than a line stays whole."""
    by_words = TextWrapper(
        max(width, 1), subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
    return [part for line in readable(text).split("\n") for part in by_words.wrap(line) or [""]]


def page_width() -> int | None:
    """COLUMNS, or the columns of standard output's terminal, up to a page's width; None where there is neither."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return min(int(given), WIDEST)
    return min(get_terminal_size().columns, WIDEST) if sys.stdout.isatty() else None


def say(text: str, indent: int = 0, otherwise: int | None = None) -> None:
    """Print a paragraph, its lines but the first indented.

    Where there is no terminal it is one line, or lines of ``otherwise`` columns.
    """
    width = page_width() or otherwise
    print("\n".join(folded(text, width, indent)) if width else readable(text))
