"""Sentences wrapped at words to the terminal's columns; without any package for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from shutil import get_terminal_size
from textwrap import TextWrapper
from typing import NoReturn, TextIO

from .letters import readable

WIDEST = 120
"""Columns: longer lines than these are hard to read."""

_GLUE = "\0"  # what stands between words that stay together


def folded(text: str, width: int, indent: int = 0) -> list[str]:
    """Its lines, folded at blanks, all but a paragraph's first indented; a word longer than a line stays whole."""
    by_words = TextWrapper(
        max(width, 1), subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
    return [part for line in readable(text).split("\n") for part in by_words.wrap(line) or [""]]


def terminal_width(stream: TextIO | None = None) -> int | None:
    """COLUMNS, or the columns of standard output's (or another stream's) terminal; None where there is neither."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    return get_terminal_size().columns if (stream or sys.stdout).isatty() else None


def page_width() -> int | None:
    """The same, up to a page's width."""
    width = terminal_width()
    return None if width is None else min(width, WIDEST)


def stacked(headings: Sequence[str], cells: Sequence[str], width: int) -> list[str]:
    """A table's row as lines: its name, and beneath it headings with their cells, folded between them first."""
    name, *others = zip(headings, cells, strict=True)
    pairs = [f"{heading} {cell}".strip().replace(" ", _GLUE) for heading, cell in others if cell]
    lines = [line.replace(_GLUE, " ") for line in folded(f"{_GLUE}· ".join(pairs), width - 2)]
    beneath = (f"  {part}" for line in lines for part in folded(line, width - 2))
    named = folded(name[1], width) if name[1] else []  # a row that goes on with the name above
    return [*named, *(line.rstrip() for line in beneath if line.strip())]


def say(text: str, indent: int = 0, otherwise: int | None = None) -> None:
    """Print a paragraph, its lines but the first indented.

    Where there is no terminal it is one line, or lines of ``otherwise`` columns.
    """
    width = page_width() or otherwise
    print("\n".join(folded(text, width, indent)) if width else readable(text))


def give_up(sentence: str, code: int = 2) -> NoReturn:
    """Say on standard error what is wrong, and end with this status."""
    text, width = f"Error: {sentence}", terminal_width(sys.stderr)
    print("\n".join(folded(text, min(width, WIDEST))) if width else readable(text), file=sys.stderr)
    sys.exit(code)
