"""The angle by which weights turn in each step where growth by gradients and shrinking by decay balance."""

from __future__ import annotations

from math import asin, ceil, log, pi, sqrt
from typing import Any

from .. import rules
from ..decays import Decay
from ..regularizers import L2, Regularizer, Scaled
from ..rules import Rule


def equilibrium(rule: Rule, decay: Decay, removed: float | None) -> float | None:
    """``√(2c)·√q`` radians a step; c is the share of a weight that the decay removes in a step, lr·λ or ηλ.

    Gradients at random right angles to w lengthen it, ‖w‖² by the square of the way that one of them goes in the end;
    decay shortens it, ‖w‖² by 2c. Momentum cuts the way into small pieces: the angle of a single step is smaller by
    q = Σaₖ²/(Σaₖ)², aₖ the weight of the gradient k steps ago; without momentum q = 1, for Adam (1−β₁)/(1+β₁). Coupled
    SGD, whose decay goes through the momentum μ too, has 2·lr·λ/(1+μ) under the root.

    It holds for weights whose scale does not matter (before a norm) and whose gradients have no lasting direction,
    after some 1/(2c) steps, for c well below 1 over the steps that momentum remembers. None where it is not known:
    another regularizer than ½‖w‖², the metric's decays, NAdam, whose β₁ moves, and rules without a steady step.
    Source: Kosson, Messmer & Jaggi 2023, https://arxiv.org/abs/2305.17212, table 1.
    Deviation: Lion's q is that of its signs.
    """
    q = spread(rule)
    if removed is None or q is None:
        return None
    if decay.placement == "before":
        μ = float(rule.momentum) if isinstance(rule, rules.SGD) and rule.look == "momentum" else 0.0
        return sqrt(2 * removed / (1 + μ))
    return sqrt(2 * removed * q)


def removed_share(
    rule: Rule, decay: Decay, regularizer: Regularizer, lr: float, eta: float, lam: float
) -> float | None:
    """c, the share of each weight that a step's decay removes; None where it is no such share."""
    factor = 1.0
    while isinstance(regularizer, Scaled):
        factor, regularizer = factor * regularizer.factor, regularizer.of
    if not isinstance(regularizer, L2) or decay.needs_metric:
        return None
    if decay.placement == "before":
        return factor * lam * lr if isinstance(rule, rules.SGD) and rule.look != "nesterov" else None
    x = factor * lam * float(decay.scale(lr, eta, 1.0))
    return x / (1 + x) if decay.placement == "implicit" else x


def spread(rule: Rule) -> float | None:
    """q = Σaₖ²/(Σaₖ)² of the weights aₖ with which a rule's direction adds past gradients."""
    of: Any = rule
    if isinstance(rule, rules.Lion):
        return _of_signs(float(of.beta1), float(of.beta2))
    if isinstance(rule, rules.Adam | rules.RAdam | rules.Adamax):
        return _behind(float(of.beta1))
    if isinstance(rule, rules.SGD | rules.RMSprop):
        μ = float(of.momentum)
        return 1.0 if rule.look == "plain" else _behind(μ) if rule.look == "momentum" else _ahead(μ)
    return 1.0 if isinstance(rule, rules.Adadelta) else None


def _behind(μ: float) -> float:
    """Of aₖ = μᵏ."""
    return (1 - μ) / (1 + μ)


def _ahead(μ: float) -> float:
    """Of Nesterov's: a₀ = 1 + μ, aₖ = μᵏ⁺¹."""
    return ((1 + μ) ** 2 + μ**4 / (1 - μ**2)) * (1 - μ) ** 2


def _of_signs(β1: float, β2: float) -> float:
    """Of Lion's: signs of sums with a₀ = 1 − β₁, aₖ = β₁(1 − β₂)β₂ᵏ⁻¹, whose correlation ρ is (2/π)·asin ρ of signs."""
    square = (1 - β1) ** 2 + β1**2 * (1 - β2) / (1 + β2)
    first = ((1 - β1) * β1 * (1 - β2) + β1**2 * (1 - β2) / (1 + β2) * β2) / square
    far = ceil(log(1e-6) / log(β2)) if 0 < β2 < 1 else 1
    return 1 / (1 + 4 / pi * sum(asin(min(1.0, first * β2**k)) for k in range(far)))
