"""Adagrad."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .rule import Rule, Scalar, Start, State, States, StateSpec


@dataclass(frozen=True)
class Adagrad(Rule):
    """Adagrad: each coordinate divided by the root of all its squared gradients.

    ::

        s ← s + g²,   D = √s + ε,   u = g/D,   rate = lr/(1 + (t−1)·lr_decay)

    Shapes: s, D and u as the parameter. State: ``step``, ``sum`` (s, from ``initial_accumulator_value``).
    Source: Duchi, Hazan & Singer 2011, https://jmlr.org/papers/v12/duchi11a.html.
    Deviation: ε, the initial value and the decay of the rate are PyTorch's; the paper has none of them.

    Args:
        lr_decay: how fast the rate falls, per step.
        initial_accumulator_value: s before the first step, in units of g².
        eps: ε, in units of g.

    Example:
        >>> rule = halflife.rules.Adagrad(lr_decay=0.1)
        >>> round(rule.rate(0.1, 11, {}), 3)  # after ten steps half of lr = 0.1
        0.05
    """

    lr_decay: Scalar = 0.0
    initial_accumulator_value: float = 0.0
    eps: Scalar = 1e-10

    acts_on = "coordinates"
    functor = "Adagrad"
    sparse = "touched"

    @property
    def states(self) -> States:
        return (StateSpec("sum", sign="never negative"),)

    def start(self, w: Tensor, lr: Scalar) -> Start:
        return {"sum": torch.full_like(w, self.initial_accumulator_value)}

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor, State]:
        Σ = s["sum"] + g * g
        D = Σ.sqrt() + self.eps
        return g / D, D, {"sum": Σ}

    def rate(self, lr: Scalar, t: Scalar, s: State) -> Scalar:
        return lr / (1 + (t - 1) * self.lr_decay)
