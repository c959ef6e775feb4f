"""``halflife explain``: equations, a worked step, when to use what."""

from __future__ import annotations

import os
import re
from typing import Annotated

import typer
from rich.console import Console

from ..decays import NAMED
from ..explain import OptimizerText, Text, find
from ..registry import RuleEntry
from ..regularizers import L2
from ..update import check
from .explain_list import show_list
from .explain_pages import show_page
from .explain_paper import Paper

WIDEST, WITHOUT_TERMINAL = 120, 100
"""Columns: longer lines than these are hard to read."""
_BLANKS = re.compile(r" +$", re.MULTILINE)

Name = Annotated[
    str | None, typer.Argument(help="An optimizer, decay or regularizer, in any case; without it, a list of all.")
]
Treatment = Annotated[
    str | None, typer.Option("--decay", metavar="NAME", help="Work an optimizer's example under this treatment.")
]


def explain(name: Name = None, decay: Treatment = None) -> None:
    """Explain an optimizer, decay or regularizer: equations, a worked first step, when to use it, typical values."""
    try:
        text = None if name is None else find(name)
        _check(text, decay)
    except ValueError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None
    console = _console()
    with console.capture() as page:
        show_list(Paper(console)) if text is None else show_page(Paper(console), text, decay)
    typer.echo(_BLANKS.sub("", page.get()), nl=False, color=console.color_system is not None)


def _check(text: Text | None, decay: str | None) -> None:
    if decay is None:
        return
    if not isinstance(text, OptimizerText | RuleEntry):
        name = "the list" if text is None else text.name
        raise ValueError(f"--decay goes with an optimizer, not with {name}: `halflife explain AdamW --decay proximal`.")
    if decay not in NAMED:
        raise ValueError(f"decay {decay!r} is not a treatment; choose among {', '.join(NAMED)}.")
    if isinstance(text, RuleEntry):
        check(text.rule, NAMED[decay], L2())


def _console() -> Console:
    """As wide as the terminal, up to a page's width; plain where there is none."""
    console = Console()
    known = console.is_terminal or "COLUMNS" in os.environ
    width = min(console.width, WIDEST) if known else WITHOUT_TERMINAL
    return Console(width=width, markup=False, highlight=False, emoji=False)
