"""Stochastic gradient descent with Polyak's or Nesterov's momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from .rule import Rule, Scalar, State, States, StateSpec


@dataclass(frozen=True)
class SGD(Rule):
    """SGD: ``b₁ = g₁``, then ``b = μb + (1−τ)g``; the metric is 1.

    =================  =============
    ``momentum_type``  direction u
    =================  =============
    ``plain``          g
    ``momentum``       b
    ``nesterov``       g + μb
    =================  =============

    Shapes: g, b and u as the parameter. State: ``momentum_buffer`` (absent for ``plain`` and before the first step).
    Source: Polyak 1964; Sutskever et al. 2013, https://proceedings.mlr.press/v28/sutskever13.html.
    Deviation: as in PyTorch the learning rate stands outside the momentum, the first buffer is the gradient itself,
    undamped, and there is no step count.

    Args:
        momentum: μ, the share of the old buffer that stays.
        dampening: τ, the share of the gradient that the buffer does not take.
        momentum_type: a row of the table.

    Example:
        >>> rule, g = halflife.rules.SGD(momentum=0.9, momentum_type="nesterov"), torch.ones(1)
        >>> _, _, states = rule(1, g, g, {})
        >>> rule(2, g, g, states)[0]  # g + 0.9·(0.9·g + g)
        tensor([2.7100])
    """

    momentum: Scalar = 0.0
    dampening: Scalar = 0.0
    momentum_type: Literal["plain", "momentum", "nesterov"] = "plain"

    acts_on = "coordinates"
    functor = "SGD"
    metric = "identity"
    counts_steps = False
    sparse = "whole"

    @property
    def states(self) -> States:
        buffer = StateSpec("momentum_buffer", begins="with the first gradient")
        return () if self.momentum_type == "plain" else (buffer,)

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, float, State]:
        if self.momentum_type == "plain":
            return g, 1.0, {}
        μ, τ = self.momentum, self.dampening
        b = μ * s["momentum_buffer"] + (1 - τ) * g if "momentum_buffer" in s else g
        u = g + μ * b if self.momentum_type == "nesterov" else b
        return u, 1.0, {"momentum_buffer": b}
