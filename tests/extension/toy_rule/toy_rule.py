"""A rule and a regularizer as somebody else would publish them: of halflife they need its public names alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

import halflife
from halflife.registry import RuleEntry, by_fields, register
from halflife.regularizers import Regularizer
from halflife.rules import Rule, Scalar, State, States, StateSpec


@dataclass(frozen=True)
class ToyRule(Rule):
    """Two means and a slow one that looks ahead, through a soft bound.

    ::

        Ω ← ρΩ + 1
        m ← β₁m + (1−β₁)g,   v ← β₂v + (1−β₂)g²
        z ← β₃z + (1−β₃)m,   z₁ = g
        D = (v/(1−β₂ᵗ) + ε)^p
        u = c·tanh((m + κz/Ω)/(cD))

    Shapes: m, v, z, D and u as the parameter, Ω a scalar. State: ``step``, ``mean`` (m), ``square`` (v), ``slow`` (z,
    absent before the first step), ``weight`` (Ω).
    """

    beta1: Scalar = 0.9
    beta2: Scalar = 0.99
    beta3: Scalar = 0.8
    fade: Scalar = 0.7
    lead: Scalar = 0.5
    eps: Scalar = 1e-2
    power: Scalar = 0.5
    bound: Scalar = 2.0

    acts_on = "coordinates"

    @property
    def states(self) -> States:
        return (
            StateSpec("mean"),
            StateSpec("square", sign="never negative"),
            StateSpec("slow", begins="with the first gradient"),
            StateSpec("weight", "scalar"),
        )

    def tick(self, t: Scalar, s: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        return {"weight": self.fade * s["weight"] + 1}

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor, State]:
        β1, β2, β3, c = self.beta1, self.beta2, self.beta3, self.bound
        m = β1 * s["mean"] + (1 - β1) * g
        v = β2 * s["square"] + (1 - β2) * (g * g)
        z = β3 * s["slow"] + (1 - β3) * m if "slow" in s else g
        D = (v / (1 - β2**t) + self.eps) ** self.power
        u = c * ((m + self.lead / s["weight"] * z) / (c * D)).tanh()
        return u, D, {"mean": m, "square": v, "slow": z}


@dataclass(frozen=True)
class Leaning(Regularizer):
    """``R(w) = Σ ½a·wᵢ²``, a = ``up`` above 0 and ``down`` below; ``prox_τ(y) = y/(1 + τa)``, a by the sign of y."""

    up: float = 2.0
    down: float = 0.5

    has_grad = True

    def _slope(self, w: Tensor) -> Tensor:
        return (0.0 * w + self.down).masked_fill(w > 0, self.up)

    def value(self, w: Tensor) -> Tensor:
        return (0.5 * self._slope(w) * w * w).sum()

    def grad(self, w: Tensor) -> Tensor:
        return self._slope(w) * w

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        return y / (1 + tau * self._slope(y))


register(RuleEntry(ToyRule, by_fields(ToyRule), ({}, {"power": 0.25, "lead": -0.5, "betas": (0.5, 0.7)})))


class Toy(halflife.Optimizer, rule=ToyRule, lr=1e-2, decay="decoupled", weight_decay=1e-2):
    """The rule's face."""
