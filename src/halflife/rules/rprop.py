"""Rprop: resilient backpropagation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .rule import Rule, Scalar, Start, State, States, StateSpec, zeros


@dataclass(frozen=True)
class Rprop(Rule):
    """Rprop: only the gradient's sign counts, and each coordinate keeps its own step size Δ.

    ::

        c = sign(g·g₋)                 g₋ the gradient before, as it was used
        Δ ← clip(Δ·η₊, Γ) if c > 0;  clip(Δ·η₋, Γ) and g ← 0 if c < 0;  Δ if c = 0
        u = Δ·sign(g),   rate = 1

    Shapes: all as the parameter. State: ``step``, ``prev`` (g₋), ``step_size`` (Δ, the learning rate at first).
    The metric is 1. Source: Riedmiller & Braun 1993, https://doi.org/10.1109/ICNN.1993.298623.
    Deviation: PyTorch's variant without weight backtracking (iRprop−); a later learning rate changes nothing.

    Args:
        eta_minus, eta_plus: η₋ below 1 and η₊ above.
        step_size_min, step_size_max: Γ, in units of the parameter.

    Example:
        >>> rule, w = halflife.rules.Rprop(), torch.zeros(2)
        >>> u, D, states = rule(1, w, torch.tensor([0.5, -100.0]), rule.start(w, lr=0.1))
        >>> u, rule(2, w, torch.tensor([0.5, 100.0]), states)[2]["step_size"]
        (tensor([ 0.1000, -0.1000]), tensor([0.1200, 0.0500]))
    """

    eta_minus: Scalar = 0.5
    eta_plus: Scalar = 1.2
    step_size_min: float = 1e-6
    step_size_max: float = 50.0

    acts_on = "coordinates"
    functor = "Rprop"
    metric = "identity"

    @property
    def states(self) -> States:
        return StateSpec("step_size", sign="never negative"), StateSpec("prev")

    def start(self, w: Tensor, lr: Scalar) -> Start:
        return {"step_size": torch.zeros_like(w) + lr, **zeros(w, "prev")}

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, float, State]:
        c = (g * s["prev"]).sign()
        same, flipped = c > 0, c < 0
        factor = c.masked_fill(c == 0, 1.0).masked_fill(same, self.eta_plus).masked_fill(flipped, self.eta_minus)
        Δ = (s["step_size"] * factor).clamp(self.step_size_min, self.step_size_max)
        g = g.masked_fill(flipped, 0.0)
        return Δ * g.sign(), 1.0, {"step_size": Δ, "prev": g}

    def rate(self, lr: Scalar, t: Scalar, s: State) -> Scalar:
        return 1.0
