"""``halflife explain``: equations, a worked step, when to use what."""

from __future__ import annotations

import os
import re
from typing import Annotated

import typer
from rich.console import Console

from ..explain.pages import show
from .explain_paper import RichPaper
from .wrapping import give_up

WIDEST, WITHOUT_TERMINAL = 120, 100
"""Columns: longer lines than these are hard to read."""
_BLANKS = re.compile(r" +$", re.MULTILINE)

Name = Annotated[
    str | None,
    typer.Argument(help="An optimizer, decay, regularizer or topic, in any case; without it, a list of all."),
]
Treatment = Annotated[
    str | None, typer.Option("--decay", metavar="NAME", help="Work an optimizer's example under this treatment.")
]


def explain(name: Name = None, decay: Treatment = None) -> None:
    """Explain an optimizer, decay, regularizer or topic: equations, a worked first step, typical values."""
    console = _console()
    with console.capture() as page:
        try:
            show(RichPaper(console), name, decay)
        except ValueError as error:
            give_up(str(error))
    typer.echo(_BLANKS.sub("", page.get()), nl=False, color=console.color_system is not None)


def _console() -> Console:
    """As wide as the terminal, up to a page's width; plain where there is none."""
    console = Console()
    known = console.is_terminal or "COLUMNS" in os.environ
    width = min(console.width, WIDEST) if known else WITHOUT_TERMINAL
    return Console(width=width, markup=False, highlight=False, emoji=False)
