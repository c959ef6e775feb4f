"""RMSprop, raw or centered, with or without momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from .rule import Rule, Scalar, State, States, StateSpec


@dataclass(frozen=True)
class RMSprop(Rule):
    """RMSprop: the gradient divided by the root of its running second moment (or variance).

    ::

        v ← αv + (1−α)g²
        moment="centered":  ḡ ← αḡ + (1−α)g,   v' = max(v − ḡ², 0)  (else v' = v)
        eps_place="outside":  D = √v' + ε         "inside":  D = √(v' + ε)
        momentum_type="plain":  u = g/D          "momentum":  b ← μb + g/D,  u = b

    Shapes: all as the parameter. State: ``step``, ``square_avg`` (v), ``grad_avg`` (ḡ), ``momentum_buffer`` (b).
    Source: Hinton's lecture 6 (2012); centered: Graves 2013, https://arxiv.org/abs/1308.0850.
    Deviation: PyTorch keeps ε outside the root; TensorFlow keeps it inside, and networks trained there need that.
    A variance that rounding makes negative counts as 0; PyTorch takes its root and the weights become NaN.

    Args:
        alpha: α, the share of the old average that stays.
        eps: ε, in units of g; inside the root, of g².
        momentum: μ, at least 0.
        momentum_type, moment, eps_place: the words in the equations.

    Example:
        >>> rule, w = halflife.rules.RMSprop(moment="centered"), torch.zeros(2)
        >>> u, D, states = rule(1, w, torch.tensor([0.5, -100.0]), rule.start(w, lr=0.1))
        >>> D
        tensor([0.0497, 9.9499])
    """

    alpha: Scalar = 0.99
    eps: Scalar = 1e-8
    momentum: Scalar = 0.0
    momentum_type: Literal["plain", "momentum"] = "plain"
    moment: Literal["raw", "centered"] = "raw"
    eps_place: Literal["outside", "inside"] = "outside"

    acts_on = "coordinates"
    functor = "RMSprop"

    @property
    def states(self) -> States:
        buffer = (StateSpec("momentum_buffer"),) if self.momentum_type == "momentum" else ()
        mean = (StateSpec("grad_avg"),) if self.moment == "centered" else ()
        return (StateSpec("square_avg", sign="never negative"), *buffer, *mean)

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor, State]:
        α, ε = self.alpha, self.eps
        v = α * s["square_avg"] + (1 - α) * (g * g)
        new, v_used = {"square_avg": v}, v
        if self.moment == "centered":
            new["grad_avg"] = ḡ = α * s["grad_avg"] + (1 - α) * g
            v_used = (v - ḡ * ḡ).clamp(min=0)
        D = v_used.sqrt() + ε if self.eps_place == "outside" else (v_used + ε).sqrt()
        u = g / D
        if self.momentum_type == "momentum":
            new["momentum_buffer"] = u = self.momentum * s["momentum_buffer"] + u
        return u, D, new
