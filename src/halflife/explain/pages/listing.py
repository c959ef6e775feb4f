"""``halflife explain`` without a name: everything there is, in three tables."""

from __future__ import annotations

from ...decays import NAMED
from .. import algebra
from ..composition import composition
from ..decays import DECAYS
from ..names import registered
from ..optimizers import OPTIMIZERS
from ..paper import Paper, columns
from ..recommendations import RECOMMENDATIONS
from ..regularizers import REGULARIZERS
from ..rules import RULES
from ..topics import TOPICS
from .rule import about

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
    paper.heading("Topics")
    paper.table(("", "", "when"), [(topic.name, topic.title, topic.when) for topic in TOPICS.values()])
    if registered():
        paper.heading("Other registered rules")
        paper.pairs([(entry.name, about(entry)[0]) for entry in registered()])
    paper.heading("In general")
    paper.bullets(RECOMMENDATIONS)


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
