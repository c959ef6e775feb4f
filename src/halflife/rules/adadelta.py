"""Adadelta."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .rule import Rule, Scalar, State, States, StateSpec


@dataclass(frozen=True)
class Adadelta(Rule):
    """Adadelta: the step carries the weights' own units, by the ratio of two running roots.

    ::

        v ← ρv + (1−ρ)g²
        D = √(v+ε)/√(a+ε),   u = g/D
        a ← ρa + (1−ρ)u²

    Shapes: v, a, D and u as the parameter. State: ``step``, ``square_avg`` (v), ``acc_delta`` (a).
    Source: Zeiler 2012, https://arxiv.org/abs/1212.5701. Deviation: a learning rate, 1 by default, scales the step.

    Args:
        rho: ρ, the share of the old averages that stays.
        eps: ε, under both roots.

    Example:
        At first u is √ε/√(1−ρ) in each coordinate, whatever the gradient:
        >>> rule, w = halflife.rules.Adadelta(), torch.zeros(2)
        >>> u, D, _ = rule(1, w, torch.tensor([0.5, -100.0]), rule.start(w, lr=1.0))
        >>> u
        tensor([ 0.0032, -0.0032])
    """

    rho: Scalar = 0.9
    eps: Scalar = 1e-6

    acts_on = "coordinates"
    functor = "Adadelta"

    @property
    def states(self) -> States:
        return StateSpec("square_avg", sign="never negative"), StateSpec("acc_delta", sign="never negative")

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor, State]:
        ρ, ε = self.rho, self.eps
        v, a = s["square_avg"], s["acc_delta"]
        v = ρ * v + (1 - ρ) * (g * g)
        D = (v + ε).sqrt() / (a + ε).sqrt()
        u = g / D
        a = ρ * a + (1 - ρ) * (u * u)
        return u, D, {"square_avg": v, "acc_delta": a}
