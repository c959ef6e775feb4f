"""``halflife explain`` without a name: everything there is, in three tables."""

from __future__ import annotations

from ..decays import NAMED
from ..explain import (
    DECAYS,
    OPTIMIZERS,
    RECOMMENDATIONS,
    REGULARIZERS,
    RULES,
    algebra,
    composition,
    registered,
)
from .explain_rule import about
from .paper import Paper
from .wrapping import columns

LINE = 46
"""Columns for an equation."""


def show_list(paper: Paper) -> None:
    """A row for every optimizer, decay and regularizer: its name, its line, when to take it."""
    paper.title("halflife", "an optimizer is rule × decay × regularizer", "`halflife explain NAME` says more of each.")
    for heading, column, rows in (
        ("Optimizers", "one step", [(n, optimizer_line(n), text.when) for n, text in OPTIMIZERS.items()]),
        ("Decays", "with the ridge", [(n, decay_line(n), text.when) for n, text in DECAYS.items()]),
        ("Regularizers", "R(w)", [(n, text.value, text.when) for n, text in REGULARIZERS.items()]),
    ):
        paper.heading(heading)
        paper.table(("", column, "when"), rows)
    if registered():
        paper.heading("Other registered rules")
        paper.pairs([(entry.name, about(entry)[0]) for entry in registered()])
    paper.heading("In general")
    paper.pairs([("·", words) for words in RECOMMENDATIONS])


def optimizer_line(name: str) -> str:
    """The optimizer's step under its default decay, in as few lines of ``LINE`` columns as it takes."""
    made, lines = composition(name), [""]
    for part in algebra.one_line(made.text, made.decay):
        longer = f"{lines[-1]},  {part}" if lines[-1] else part
        lines[-1:] = [longer] if columns(longer) <= LINE else [lines[-1] + ",", part]
    return "\n".join(lines)


def decay_line(name: str) -> str:
    """What the treatment makes of a step along u, for the ridge."""
    return algebra.beside(RULES["Adam"], NAMED[name])
