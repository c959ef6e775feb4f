"""``halflife explain AdamW``: an optimizer's page."""

from __future__ import annotations

from ...decays import NAMED
from .. import algebra
from ..composition import Composition, composition
from ..names import default
from ..paper import Cell, Paper
from ..texts import OptimizerText, Setting
from .example import show_example

_COMMON = (("lr, η", "learning rate in force, and lr/(base lr)"), ("λ, t", "weight decay; the step, from 1"))
_METRIC = (("w, g", "a weight and its gradient"), ("u, D", "the direction, and the metric it is measured in"))
_FLAT = (("w, g", "a weight and its gradient"), ("u", "the direction; the metric D is 1"))
_NO_METRIC = (("w, g", "weights and their gradients"), ("u", "the direction; it has no diagonal metric D"))


def show_optimizer(paper: Paper, text: OptimizerText, decay: str | None) -> None:
    """Print the page; ``decay`` is another treatment than the default."""
    made, usual = composition(text.name, decay), decay_name(text.name)
    rule = "torch's own step" if made.rule is None else type(made.rule).__name__
    paper.title(text.name, text.title, f"{rule} × {decay or usual} × L2")
    paper.heading("Equations")
    paper.lines(algebra.in_full(made.text, made.decay))
    paper.gap()
    metric = {"identity": _FLAT, None: _NO_METRIC}.get(made.metric, _METRIC)
    paper.pairs((*metric, *_COMMON, *made.text.letters))
    show_example(paper, text.name, decay)
    _use(paper, text)
    _treatments(paper, text, made, usual)
    paper.heading("Elsewhere")
    paper.bullets(text.elsewhere)
    paper.heading("Source")
    paper.bullets(text.source.split("; "))


def decay_name(optimizer: str) -> str:
    """The name of an optimizer's default decay; "no decay" where it takes none."""
    decay = composition(optimizer).decay
    return next((name for name, named in NAMED.items() if named == decay), "no decay")


def _use(paper: Paper, text: OptimizerText) -> None:
    paper.heading("When to use it")
    paper.pairs(
        (
            ("best for", text.best_use),
            ("not for", text.avoid),
            ("innovation", text.innovation),
            ("advantages", text.advantages),
            ("disadvantages", text.disadvantages),
        )
    )
    paper.heading("Typical values")
    paper.table(("tune", "default", "typical", ""), [_setting(text.name, setting) for setting in text.tune])


def _setting(optimizer: str, setting: Setting) -> tuple[str, str, str, str]:
    return setting.name, default(optimizer, setting.name), setting.typical, setting.what


def _treatments(paper: Paper, text: OptimizerText, made: Composition, usual: str) -> None:
    legal = made.treatments()
    words = "decay=…, all legal with the ridge" if len(legal) == len(NAMED) else "decay=…, those that it takes"
    paper.heading("Decay treatments", words if legal else "none")
    rows: list[tuple[Cell, Cell]] = []
    for name, decay in legal.items():
        same = "   (D = 1: as proximal_lr)" if made.text.flat and name == "euclidean" else ""
        remark = "   (default)" if name == usual else same
        line = ((algebra.beside(made.text, decay), "bold" if name == usual else ""), (remark, "dim"))
        rows.append((((name, "bold cyan" if name == usual else "cyan"),), line))
    if rows:
        paper.table(("", ""), rows)
        paper.gap()
    paper.prose(text.decay)
    for names, regularizers in algebra.legality(legal).items():
        treatments = "every treatment" if len(names) == len(NAMED) else ", ".join(names)
        paper.prose(f"{', '.join(regularizers)}: {treatments}.", style="dim")
