"""From one framework's hyper-parameters to another's, and how exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from math import exp, isnan, log, log1p, sqrt

import numpy as np

from .convention import Convention, Settings
from .conversion import Conversion, Numbers
from .effective_update import (
    EffectiveUpdate,
    NumbersPerStep,
    StepFactors,
    constant_settings,
    decay_per_step,
    effective_order,
    effective_update_of,
    factors_at,
    numbers_per_step,
    step_factors,
)
from .explanations import explanation, growth_of_difference, impossibility
from .framework_adam import FLOOR
from .muon_conversion import MuonMatch, Shape, muon_match
from .registry import find
from .rule_of_thumb import rule_of_thumb
from .schedule import Array, Course, Schedule, course

ROUNDING = 1e-13
"""Relative differences of one step's numbers up to here are rounding."""


def convert(
    weight_decay: float,
    source: str | Convention = "torch",
    target: str | Convention = "keras",
    *,
    lr: float | None = None,
    betas: tuple[float, float] | None = None,
    eps: float | None = None,
    momentum: float | None = None,
    schedule: Schedule = None,
    steps: int | None = None,
    shape: Shape | None = None,
) -> Conversion:
    """The target's hyper-parameters that do what the source's do, and whether exactly, approximately or not at all.

    Where the target has no constant numbers for a schedule, those returned remove as much over the whole run and have ε
    as it is at the end; ``at(k)`` of the result are the numbers for each step. Between AdamW and Lion it is impossible,
    and ``rule_of_thumb`` of the result is what Lion's authors tune from.

    Args:
        weight_decay: the source's λ.
        source, target: conventions, or their names.
        lr, betas, eps, momentum: the source's; None is its own default.
        schedule: the learning rate's: None (constant), a name ("linear", "cosine", "warmup-cosine") or a callable of
            the step, counted from 0, that returns η = lr/base.
        steps: the number of steps of the run, which a schedule needs.
        shape: of Muon's matrices, rows and columns, where two frameworks scale the step by other functions of them.

    Returns:
        The conversion.

    Raises:
        ValueError: with a sentence for a framework that is not known, lr = 0, a λ that removes a weight whole in one
            step, or a schedule that never ends.

    Example:
        PyTorch multiplies λ by lr, the paper does not:
        >>> from halflife.conventions import convert
        >>> found = convert(0.01, "torch", "paper", lr=1e-3)
        >>> round(found.weight_decay, 8), found.verdict
        (1e-05, 'exact')
    """
    source, target = find(source), find(target)
    given = source.settings(weight_decay=weight_decay, lr=lr, betas=betas, eps=eps, momentum=momentum)
    run = course(schedule, steps)
    check(source, given, run)
    match = muon_match(source, target, shape)
    obstacle = impossibility(source, target, given, moves=run.moves) or match.obstacle
    if obstacle:
        return _impossible(source, target, given, run, obstacle)
    if _lacks_steps(source, target, run):
        raise ValueError(NORMALIZED.format(source if source.amount == "normalized" else target))
    return _compared(source, target, given, run, match)


NORMALIZED = (
    "{}'s weight decay is normalized, λ_norm = λ·√(steps between two restarts); give steps=, the batches per "
    "epoch times the epochs."
)


def check(source: Convention, given: Settings, run: Course) -> None:
    """Raise ``ValueError`` where an explicit decay removes a whole weight or more in one step."""
    x = max(float(decay_per_step(source, given, factors).max()) for factors in step_factors(run, given.betas))
    if effective_order(source, given.momentum) in ("before", "after") and x >= 1:
        raise ValueError(
            f"weight_decay={given.weight_decay} at lr={given.lr} removes {x:.4g} of each weight in one step of "
            f"{source}, whose update is {source.update}; it must remove less than 1: PyTorch's λ = 0.01 at lr = 0.001 "
            "removes 1e-5."
        )


def _lacks_steps(source: Convention, target: Convention, run: Course) -> bool:
    return "normalized" in (source.amount, target.amount) and run.steps is None


def _impossible(source: Convention, target: Convention, given: Settings, run: Course, obstacle: str) -> Conversion:
    """No numbers; a rule of thumb, if there is one of such a pair and both ends can be brought to what it speaks of."""

    def numbers(one: Convention, other: Convention, settings: Settings) -> Settings | None:
        if impossibility(one, other, settings, moves=run.moves) or _lacks_steps(one, other, run):
            return None
        return _compared(one, other, settings, run, muon_match(one, other, None)).settings

    thumb = rule_of_thumb(source, target, given, numbers)
    hint = "" if thumb is None else " Only a rule of thumb (rule_of_thumb) gives a start to tune from."
    return Conversion(
        source, target, given, None, "impossible", f"Impossible: {obstacle}.{hint}", 1.0, 1.0, rule_of_thumb=thumb
    )


def _compared(source: Convention, target: Convention, given: Settings, run: Course, match: MuonMatch) -> Conversion:
    """Constant numbers for the target, and how far what they do is from what the source does."""

    def factors() -> Iterator[StepFactors]:
        return step_factors(run, given.betas)

    def ours(f: StepFactors) -> EffectiveUpdate:
        update = effective_update_of(source, given, f)
        return replace(update, rate=update.rate * match.ratio)

    def own(f: StepFactors) -> NumbersPerStep:
        return numbers_per_step(target, ours(f), f, new.lr, given.momentum)

    new = constant_settings(target, ours, lambda: (f if run.steps else f.settled for f in factors()), given)
    form = _form(source, target, given, new)
    apart = Difference.of(((ours(f), effective_update_of(target, new, f), f) for f in factors()), form)
    follows = not form and all(own(f).is_legal for f in factors())
    each_step = _each_step(own, run, given.betas) if follows else None
    verdict = "exact" if apart.is_rounding else "approximate"
    words = explanation(source, target, exact=verdict == "exact", each_step=follows) + match.words
    if verdict == "exact":
        return Conversion(source, target, given, new, verdict, words, each_step=each_step, flags=match.flags)
    bounds = (_share(apart.drift), _step_share(source, apart.step))
    order = growth_of_difference(source, target, moves=run.moves)
    return Conversion(source, target, given, new, verdict, words, *bounds, order, each_step, flags=match.flags)


@dataclass(frozen=True)
class Difference:
    """How far two updates are from each other, in logarithms of ratios: of what is left of a weight, of rate, of ε.

    ``total`` is that of what the whole run leaves: it is rounded at each step, which a long run adds up.
    """

    drift: float
    step: float
    total: float

    @classmethod
    def of(cls, parts: Iterable[tuple[EffectiveUpdate, EffectiveUpdate, StepFactors]], form: float) -> Difference:
        """Of two updates over the parts of a run, in order."""
        now, total, most = 0.0, 0.0, np.zeros(4)
        with np.errstate(all="ignore"):
            for a, b, factors in parts:
                left = np.log1p(-a.removed)
                drift = now + np.cumsum((np.log1p(-b.removed) - left) * factors.count)
                ends = -drift.min(), drift.max(), _ratio(a.rate, b.rate), _ratio(a.eps, b.eps)
                most = np.maximum(most, ends)  # NaN where one is
                now, total = float(drift[-1]), total - float(factors.totals(left)[0])
        fall, rise, rate, eps = map(float, most)
        return cls(fall + rise, rate + eps + form, total)

    @property
    def is_rounding(self) -> bool:
        return self.drift / max(1.0, self.total) + self.step <= ROUNDING * 1e2


def _share(logarithm: float) -> float:
    """|x − y| ≤ (1 − 1/r)·max(x, y) for two numbers of one sign whose ratio is r, of which this is the logarithm."""
    return 1.0 if isnan(logarithm) else 0.0 if logarithm <= ROUNDING else 1 - exp(-logarithm)


def _step_share(source: Convention, logarithm: float) -> float:
    """As :func:`_share`; but what ε does to a matrix turns its step, so that an element's may go the other way."""
    share = _share(logarithm)
    return 2.0 if source.rule == "muon" and share > 0 else share


def _ratio(a: Array, b: Array) -> float:
    """The largest |log(a/b)|; 0 stands to 0 as 1 to 1."""
    logs = np.where(a == b, 0.0, np.abs(np.log(a) - np.log(b)))
    return float(logs.max())


def _form(source: Convention, target: Convention, given: Settings, new: Settings) -> float:
    """The largest |log| ratio of two denominators whose ε stand alike but for their form."""
    total = 0.0
    if (source.eps == "clamped") != (target.eps == "clamped") and new.eps > 0:
        total += log(2.0)
    for one, other, ε in ((source, target, given.eps), (target, source, new.eps)):
        if one.eps == "floored" and other.eps != "floored":
            total += log1p(sqrt(FLOOR) / ε) if ε > 0 else float("inf")
    return total


def _each_step(
    own: Callable[[StepFactors], NumbersPerStep], run: Course, betas: tuple[float, float]
) -> Callable[[int], Numbers]:
    def at(step: int) -> Numbers:
        if step < 0:
            raise ValueError(f"steps are counted from 0, but {step} was given.")
        now = own(factors_at(run, betas, step))
        return Numbers(float(now.lr[0]), float(now.weight_decay[0]), float(now.eps[0]))

    return at
