"""``halflife explain Agreement``: the page of a registered rule for which there is no text here."""

from __future__ import annotations

import inspect

from ..decays import NAMED
from ..engines.trace import UntraceableError
from ..optimizers import optimizer_of
from ..registry import RuleEntry
from ..regularizers import L2
from ..update import check
from .explain_example import show_example
from .paper import Paper


def show_rule(paper: Paper, entry: RuleEntry, decay: str | None) -> None:
    """Print the rule's own words, its first step worked out, and what it composes with."""
    title, *words = about(entry)
    paper.title(entry.name, title, f"a rule of {entry.rule.__module__}")
    if words:
        paper.heading("In its own words")
        paper.lines(words)
    try:
        show_example(paper, optimizer_of(entry), decay)
    except UntraceableError as error:
        paper.heading("A worked step")
        paper.prose(f"There is none for one weight: {error}.")
    paper.heading("Decay treatments", "decay=…, with the ridge")
    paper.prose(", ".join(name for name in NAMED if composes(entry, name)))


def about(entry: RuleEntry) -> list[str]:
    """The lines of the rule's docstring, its title first."""
    text = inspect.cleandoc(entry.rule.__doc__ or entry.name)
    return [line.removesuffix("::").strip() for line in text.splitlines() if line.strip() not in ("", "::")]


def composes(entry: RuleEntry, decay: str) -> bool:
    """Whether the treatment takes this rule and the ridge."""
    try:
        check(entry.rule, NAMED[decay], L2())
    except ValueError:
        return False
    return True
