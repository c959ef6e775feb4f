"""``halflife explain AdamW``: an optimizer's page."""

from __future__ import annotations

from ..decays import NAMED
from ..explain import OptimizerText, RuleText, Setting, algebra, default, rule_text, update_of
from .explain_example import show_example
from .paper import Cell, Paper

_COMMON = (("lr, η", "learning rate in force, and lr/(base lr)"), ("λ, t", "weight decay; the step, from 1"))
_METRIC = (("w, g", "a weight and its gradient"), ("u, D", "the direction, and the metric it is measured in"))
_FLAT = (("w, g", "a weight and its gradient"), ("u", "the direction; the metric D is 1"))


def show_optimizer(paper: Paper, text: OptimizerText, decay: str | None) -> None:
    """Print the page; ``decay`` is another treatment than the default."""
    update, usual = update_of(text.name, decay), decay_name(text.name)
    rule = rule_text(update.rule)
    paper.title(text.name, text.title, f"{type(update.rule).__name__} × {decay or usual} × L2")
    paper.heading("Equations")
    paper.lines(algebra.in_full(rule, update.decay))
    paper.gap()
    paper.pairs((*(_FLAT if rule.flat else _METRIC), *_COMMON, *rule.letters))
    show_example(paper, text.name, decay)
    _use(paper, text)
    _treatments(paper, text, rule, usual)
    paper.heading("Elsewhere")
    paper.bullets(text.elsewhere)
    paper.heading("Source")
    paper.bullets(text.source.split("; "))


def decay_name(optimizer: str) -> str:
    """The name of an optimizer's default decay."""
    decay = update_of(optimizer).decay
    return next(name for name, named in NAMED.items() if named == decay)


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


def _treatments(paper: Paper, text: OptimizerText, rule: RuleText, usual: str) -> None:
    paper.heading("Decay treatments", "decay=…, all legal with the ridge")
    rows: list[tuple[Cell, Cell]] = []
    for name, decay in NAMED.items():
        same = "   (D = 1: as proximal_lr)" if rule.flat and name == "euclidean" else ""
        remark = "   (default)" if name == usual else same
        line = ((algebra.beside(rule, decay), "bold" if name == usual else ""), (remark, "dim"))
        rows.append((((name, "bold cyan" if name == usual else "cyan"),), line))
    paper.table(("", ""), rows)
    paper.gap()
    paper.prose(text.decay)
    for names, regularizers in algebra.legality().items():
        treatments = "every treatment" if len(names) == len(NAMED) else ", ".join(names)
        paper.prose(f"{', '.join(regularizers)}: {treatments}.", style="dim")
