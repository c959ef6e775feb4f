"""A decay's page, a regularizer's, and the choice among all."""

from __future__ import annotations

from ...decays import NAMED, Decay
from ...registry import RuleEntry
from ...regularizers import L2
from ...update import check
from .. import algebra
from ..composition import composition
from ..expressions import figure
from ..names import Text, find
from ..paper import Cell, Paper
from ..rules import RULES
from ..texts import DecayText, OptimizerText, RegularizerText
from ..topics import Topic
from ..verification import THRESHOLD, verified_prox
from .example import show_example, show_lines
from .listing import show_list
from .optimizer import show_optimizer
from .rule import show_rule


def show(paper: Paper, name: str | None, decay: str | None = None) -> None:
    """Print the page of that name, or the list of all; ``decay`` is another treatment for an optimizer or a rule.

    Raises ``ValueError`` for an unknown name or treatment before anything is printed.
    """
    text = None if name is None else find(name)
    _check(text, decay)
    if text is None:
        show_list(paper)
    elif isinstance(text, OptimizerText):
        show_optimizer(paper, text, decay)
    elif isinstance(text, DecayText):
        _decay(paper, text)
    elif isinstance(text, RuleEntry):
        show_rule(paper, text, decay)
    elif isinstance(text, Topic):
        text.show(paper)
    else:
        _regularizer(paper, text)
    if text is not None:
        paper.gap()


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
    else:
        composition(text.name, decay)


def _decay(paper: Paper, text: DecayText) -> None:
    decay = NAMED[text.name]
    paper.title(text.name, text.title, f"a decay: Decay({decay.placement!r}, {decay.multiplier!r}), placement × step")
    paper.heading("Equations")
    first, move = algebra.before(decay), RULES["Adam"].move
    paper.lines([*([first] if first else []), "u, D ← rule(g)", algebra.after(move, decay)])
    paper.heading("When to use it")
    paper.pairs((("idea", text.idea), ("best for", text.use), ("not for", text.avoid), ("typical λ", text.lam)))
    show_example(paper, "Adam", text.name)
    implicit = decay.placement == "implicit"
    paper.heading("By regularizer", f"y = w − lr·u,  τ = {algebra.REACH[decay.multiplier]}" if implicit else "")
    paper.pairs(
        (name, algebra.with_regularizer(decay, regularizer))
        for name, regularizer in algebra.REGULARIZERS.items()
        if name not in algebra.COMBINED and algebra.composes(decay, regularizer)
    )
    paper.heading("Who does it")
    paper.bullets((text.who, text.source))


def _regularizer(paper: Paper, text: RegularizerText) -> None:
    paper.title(text.name, text.title, f"a regularizer: halflife.regularizers.{text.name}")
    paper.heading("Equations")
    gradient = text.gradient or "none: no treatment that needs a gradient takes it"
    paper.pairs((("R(w)", text.value), ("∇R(w)", gradient), ("prox_τ(y)", text.prox)))
    paper.heading("When to use it")
    paper.pairs((("best for", text.use), ("not for", text.avoid)))
    _prox(paper, text)
    paper.heading("Decay treatments that take it")
    legal = {name: decay for name, decay in NAMED.items() if algebra.composes(decay, text)}
    paper.pairs((name, _line(decay, text)) for name, decay in legal.items())
    if text.name in algebra.COMBINED:
        paper.prose("So it is for the example; a combination takes what all of its parts take.", style="dim")
    paper.heading("Source")
    paper.bullets((text.source,))


def _line(decay: Decay, text: RegularizerText) -> str:
    if decay.placement == "implicit":
        return algebra.after(RULES["Adam"].move, decay, text)
    return algebra.with_regularizer(decay, text)


def _prox(paper: Paper, text: RegularizerText) -> None:
    result = verified_prox(text.example, text.points, text.shape)
    paper.heading("A worked prox")
    paper.prose(f"{text.example!r} at τ = {figure(THRESHOLD)}: the x at which ½‖x − y‖² + τ·R(x) is least.")
    paper.gap()
    paper.figures(
        ("y", "prox_τ(y)"), [(figure(y), figure(x)) for y, x in zip(result.points, result.values, strict=True)]
    )
    paper.gap()
    if result.lines:
        paper.prose(f"The last of them, y = {figure(result.points[-1])}:")
        paper.gap()
        show_lines(paper, result.lines)
        paper.gap()
    more = result.elsewhere - result.objective
    words = f"{more:.1e} more, at the best of {result.tried:,} other points"
    elsewhere: Cell = ((words, "green" if more > 0 else "bold red"),)
    paper.pairs(
        [
            ("least value", f"{result.objective:.10g} for all of them together"),
            ("elsewhere", elsewhere),
        ]
    )
