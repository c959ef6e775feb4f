"""What every convention comes to at each step: ``w ← (1 − c)w − rate·m̂/(√v̂ + ε)``, and back to its own numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isclose, sqrt

import numpy as np

from ..decays.step import STEPS
from .convention import Convention, Settings
from .schedule import Array


@dataclass(frozen=True)
class Clock:
    """Each step's η, and how far the moments' bias is gone by then: 1 − β₁ᵗ and 1 − β₂ᵗ."""

    eta: Array
    c1: Array
    c2: Array

    @property
    def settled(self) -> Clock:
        """The same steps with the bias as it is at the end."""
        return Clock(self.eta, np.full_like(self.c1, self.c1[-1]), np.full_like(self.c2, self.c2[-1]))

    @property
    def raw(self) -> Array:
        """What leaving out the bias correction multiplies the step by."""
        return self.c1 / np.sqrt(self.c2)


@dataclass(frozen=True)
class Course:
    """``w ← (1 − c)w − rate·m̂/(√v̂ + ε)`` at each step, ``removed`` is c; ``inner`` the λ within the gradient."""

    removed: Array
    rate: Array
    eps: Array
    inner: float = 0.0


@dataclass(frozen=True)
class Own:
    """A convention's own numbers at each step; NaN or infinite where it has none for that step."""

    lr: Array
    weight_decay: Array
    eps: Array


def clock_of(eta: Array | None, betas: tuple[float, float]) -> Clock:
    """The run's clock; without an end, as many steps as it takes until no bias is left."""
    if eta is None:
        longest = max(betas)
        eta = np.ones(int(min(2e5, 2 + 40 / (1 - longest))))
        t = np.arange(1.0, len(eta) + 1)
        t[-1] = np.inf
    else:
        t = np.arange(1.0, len(eta) + 1)
    c1, c2 = (1 - np.power(β, t) for β in betas)
    return Clock(eta, c1, c2)


def reach(convention: Convention, lr: Array, eta: Array) -> Array:
    """What multiplies λ."""
    return STEPS[convention.factor](lr, eta, 1.0) * np.ones_like(lr)


def order_of(convention: Convention, momentum: float) -> str:
    """The order; plain SGD's λw in the gradient is the same as a decay before the step."""
    plain = convention.rule == "sgd" and momentum == 0
    return "before" if plain and convention.order == "coupled" else convention.order


def threshold(convention: Convention, settings: Settings, clock: Clock) -> Array:
    """x = λ·factor at each step: 1 − x or 1/(1 + x) of the weights is left."""
    λ = settings.weight_decay / _amount(convention, clock)
    return λ * reach(convention, settings.lr * clock.eta, clock.eta)


def course_of(convention: Convention, settings: Settings, clock: Clock) -> Course:
    """A convention's numbers as what they do."""
    order, lr = order_of(convention, settings.momentum), settings.lr * clock.eta
    rate = lr * clock.raw if convention.bias == "raw" else lr
    eps = np.full_like(lr, settings.eps)
    eps = eps / np.sqrt(clock.c2) if beside_raw(convention) else eps
    if order == "coupled":
        return Course(np.zeros_like(lr), rate, eps, settings.weight_decay)
    x = threshold(convention, settings, clock)
    c = x / (1 + x) if order == "proximal" else x
    return Course(c, rate if order == "before" else rate * (1 - c), eps)


def own_of(convention: Convention, course: Course, clock: Clock, base: float, momentum: float) -> Own:
    """What a convention must be given at each step to do that; ``base`` is its base learning rate α."""
    lr, eps = _rate_and_eps(convention, course, clock, momentum)
    x = _threshold_for(convention, course, momentum)
    if x is None:
        return Own(lr, np.full_like(lr, course.inner), eps)
    with np.errstate(divide="ignore", invalid="ignore"):
        λ = np.where(x == 0, 0.0, x / reach(convention, lr, lr / base))
    return Own(lr, λ * _amount(convention, clock), eps)


def constants_of(convention: Convention, course: Course, clock: Clock, like: Settings) -> Settings:
    """Constant numbers that take the convention as far over the whole run, and remove as much.

    α = Σlr/Ση, λ = Σx/Σfactor, and ε as it is at the end: exact where each step asks for the same.
    """
    lr, eps = _rate_and_eps(convention, course, clock, like.momentum)
    x = _threshold_for(convention, course, like.momentum)
    base = _snapped(float(lr.sum() / clock.eta.sum()), like.lr)
    if x is None:
        λ = course.inner
    else:
        λ = float(x.sum() / reach(convention, base * clock.eta, clock.eta).sum() * _amount(convention, clock))
    return replace(like, lr=base, weight_decay=_snapped(λ, like.weight_decay), eps=_snapped(float(eps[-1]), like.eps))


def _rate_and_eps(convention: Convention, course: Course, clock: Clock, momentum: float) -> tuple[Array, Array]:
    """The lr and ε that come to the course's rate and ε."""
    rate = course.rate / clock.raw if convention.bias == "raw" else course.rate
    eps = course.eps * np.sqrt(clock.c2) if beside_raw(convention) else course.eps
    outside = order_of(convention, momentum) in ("before", "coupled")
    return (rate if outside else rate / (1 - course.removed)), eps


def _threshold_for(convention: Convention, course: Course, momentum: float) -> Array | None:
    """x at each step; None where λ stands in the gradient."""
    order, c = order_of(convention, momentum), course.removed
    return None if order == "coupled" else c / (1 - c) if order == "proximal" else c


def _amount(convention: Convention, clock: Clock) -> float:
    return sqrt(len(clock.eta)) if convention.amount == "normalized" else 1.0


def _snapped(x: float, to: float) -> float:
    """The number that x is but for rounding."""
    return to if isclose(x, to, rel_tol=1e-13) else x


def beside_raw(convention: Convention) -> bool:
    """Whether ε stands beside √v and not beside √v̂."""
    return convention.eps in ("uncorrected", "floored")
