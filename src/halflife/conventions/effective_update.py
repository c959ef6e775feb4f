"""The effective update of every convention: ``w ← (1 − c)w − rate·m̂/(√v̂ + ε)``, and back to its own numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from math import isclose, sqrt

import numpy as np

from ..decays.scale import SCALES
from .convention import Convention, Settings
from .schedule import Array, Course, Piece


@dataclass(frozen=True)
class StepFactors:
    """Each step's η, and how far the moments' bias is gone by then: 1 − β₁ᵗ and 1 − β₂ᵗ.

    ``count``: how many of the run's ``steps`` each stands for.
    """

    eta: Array
    c1: Array
    c2: Array
    count: Array
    steps: int

    @property
    def settled(self) -> StepFactors:
        """The same steps with the bias as it is at the end."""
        return replace(self, c1=np.full_like(self.c1, self.c1[-1]), c2=np.full_like(self.c2, self.c2[-1]))

    @property
    def raw(self) -> Array:
        """What leaving out the bias correction multiplies the step by."""
        return self.c1 / np.sqrt(self.c2)

    def totals(self, *rows: Array) -> Array:
        """The sum of each over the steps that these stand for."""
        return (np.stack(rows) * self.count).sum(axis=1)


@dataclass(frozen=True)
class EffectiveUpdate:
    """``w ← (1 − c)w − rate·m̂/(√v̂ + ε)`` at each step, ``removed`` is c; ``inner`` the λ within the gradient."""

    removed: Array
    rate: Array
    eps: Array
    inner: float = 0.0


@dataclass(frozen=True)
class NumbersPerStep:
    """A convention's own numbers at each step; NaN or infinite where it has none for that step."""

    lr: Array
    weight_decay: Array
    eps: Array

    @property
    def is_legal(self) -> bool:
        """Whether there are numbers for every step."""
        return all(bool((np.isfinite(row) & (row >= 0)).all()) for row in (self.lr, self.weight_decay, self.eps))


def step_factors(course: Course, betas: tuple[float, float]) -> Iterator[StepFactors]:
    """The factors of a run, piece by piece; without an end, as many steps as it takes until no bias is left."""
    if course.steps is None:
        longest = max(betas)
        step = np.arange(float(int(min(2e5, 2 + 40 / (1 - longest)))))
        step[-1] = np.inf
        yield _factors(Piece(step, np.ones_like(step), np.ones_like(step)), len(step), betas)
    else:
        for piece in course.pieces():
            yield _factors(piece, course.steps, betas)


def factors_at(course: Course, betas: tuple[float, float], step: int) -> StepFactors:
    """Those of one step of the run, counted from 0; after its end, those of the last."""
    k = step if course.steps is None else min(step, course.steps - 1)
    piece = Piece(np.array([float(k)]), np.array([course.eta_at(k)], dtype=np.float64), np.ones(1))
    return _factors(piece, course.steps or 1, betas)


def _factors(piece: Piece, steps: int, betas: tuple[float, float]) -> StepFactors:
    c1, c2 = (1 - np.power(β, piece.step + 1) for β in betas)
    return StepFactors(piece.eta, c1, c2, piece.count, steps)


def decay_factor(convention: Convention, lr: Array, eta: Array) -> Array:
    """What multiplies λ."""
    return SCALES[convention.factor](lr, eta, 1.0) * np.ones_like(lr)


def effective_order(convention: Convention, momentum: float) -> str:
    """The order; plain SGD's λw in the gradient is the same as a decay before the step."""
    plain = convention.rule == "sgd" and momentum == 0
    return "before" if plain and convention.order == "coupled" else convention.order


def decay_per_step(convention: Convention, settings: Settings, factors: StepFactors) -> Array:
    """x = λ·factor at each step: 1 − x or 1/(1 + x) of the weights is left."""
    λ = settings.weight_decay / _normalization(convention, factors)
    return λ * decay_factor(convention, settings.lr * factors.eta, factors.eta)


def effective_update_of(convention: Convention, settings: Settings, factors: StepFactors) -> EffectiveUpdate:
    """A convention's numbers as what they do."""
    order, lr = effective_order(convention, settings.momentum), settings.lr * factors.eta
    rate = lr * factors.raw if convention.bias == "raw" else lr
    eps = np.full_like(lr, settings.eps * _eps_unit(convention, settings.momentum))
    eps = eps / np.sqrt(factors.c2) if eps_beside_raw(convention) else eps
    if order == "coupled":
        return EffectiveUpdate(np.zeros_like(lr), rate, eps, settings.weight_decay)
    x = decay_per_step(convention, settings, factors)
    c = x / (1 + x) if order == "proximal" else x
    return EffectiveUpdate(c, rate if order == "before" else rate * (1 - c), eps)


def numbers_per_step(
    convention: Convention, update: EffectiveUpdate, factors: StepFactors, base: float, momentum: float
) -> NumbersPerStep:
    """What a convention must be given at each step to do that; ``base`` is its base learning rate α."""
    lr, eps = _rate_and_eps(convention, update, factors, momentum)
    x = _decay_needed(convention, update, momentum)
    if x is None:
        return NumbersPerStep(lr, np.full_like(lr, update.inner), eps)
    with np.errstate(divide="ignore", invalid="ignore"):
        λ = np.where(x == 0, 0.0, x / decay_factor(convention, lr, lr / base))
    return NumbersPerStep(lr, λ * _normalization(convention, factors), eps)


def constant_settings(
    convention: Convention,
    update: Callable[[StepFactors], EffectiveUpdate],
    factors: Callable[[], Iterable[StepFactors]],
    like: Settings,
) -> Settings:
    """Constant numbers that take the convention as far over the whole run, and remove as much.

    α = Σlr/Ση, λ = Σx/Σfactor, and ε as it is at the end: exact where each step asks for the same. ``factors`` gives
    those of the run, ``update`` what they are to come to.
    """
    totals, eps, inner, normalization = np.zeros(3), like.eps, 0.0, 1.0
    for f in factors():
        now, normalization = update(f), _normalization(convention, f)
        lr, row = _rate_and_eps(convention, now, f, like.momentum)
        x = _decay_needed(convention, now, like.momentum)
        totals += f.totals(lr, f.eta, np.zeros_like(lr) if x is None else x)
        eps, inner = float(row[-1]), now.inner
    base = _unrounded(float(totals[0] / totals[1]), like.lr)
    if effective_order(convention, like.momentum) == "coupled":
        λ = inner
    else:
        whole = sum(float(f.totals(decay_factor(convention, base * f.eta, f.eta))[0]) for f in factors())
        λ = float(totals[2]) / whole * normalization
    return replace(like, lr=base, weight_decay=_unrounded(λ, like.weight_decay), eps=_unrounded(eps, like.eps))


def _rate_and_eps(
    convention: Convention, update: EffectiveUpdate, factors: StepFactors, momentum: float
) -> tuple[Array, Array]:
    """The lr and ε that come to the update's rate and ε."""
    rate = update.rate / factors.raw if convention.bias == "raw" else update.rate
    eps = update.eps * np.sqrt(factors.c2) if eps_beside_raw(convention) else update.eps
    eps = eps / _eps_unit(convention, momentum)
    outside = effective_order(convention, momentum) in ("before", "coupled")
    return (rate if outside else rate / (1 - update.removed)), eps


def _decay_needed(convention: Convention, update: EffectiveUpdate, momentum: float) -> Array | None:
    """x at each step; None where λ stands in the gradient."""
    order, c = effective_order(convention, momentum), update.removed
    return None if order == "coupled" else c / (1 - c) if order == "proximal" else c


def _normalization(convention: Convention, factors: StepFactors) -> float:
    return sqrt(factors.steps) if convention.amount == "normalized" else 1.0


def _eps_unit(convention: Convention, momentum: float) -> float:
    """What ε is multiplied by beside an average of gradients: a sum is 1/(1 − μ) times that."""
    return 1 - momentum if convention.muon is not None and convention.muon.average == "sum" else 1.0


def _unrounded(x: float, to: float) -> float:
    """The number that x is but for rounding."""
    return to if isclose(x, to, rel_tol=1e-13) else x


def eps_beside_raw(convention: Convention) -> bool:
    """Whether ε stands beside √v and not beside √v̂."""
    return convention.eps in ("uncorrected", "floored")
