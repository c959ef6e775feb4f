"""``halflife explain Agreement``: the page of a registered rule for which there is no text here."""

from __future__ import annotations

import inspect

from ...optimizers import optimizer_of
from ...registry import RuleEntry
from ..composition import treatments
from ..paper import Paper
from .example import show_example


def show_rule(paper: Paper, entry: RuleEntry, decay: str | None) -> None:
    """Print the rule's own words, its first step worked out, and what it composes with."""
    title, *words = about(entry)
    paper.title(entry.name, title, f"a rule of {entry.rule.__module__}")
    if words:
        paper.heading("In its own words")
        paper.lines(words)
    show_example(paper, optimizer_of(entry), decay)
    paper.heading("Decay treatments", "decay=…, with the ridge")
    paper.prose(", ".join(treatments(entry.rule)) or "none: it takes sparse gradients alone.")


def about(entry: RuleEntry) -> list[str]:
    """The lines of the rule's docstring, its title first."""
    text = inspect.cleandoc(entry.rule.__doc__ or entry.name)
    return [line.removesuffix("::").strip() for line in text.splitlines() if line.strip() not in ("", "::")]
