"""Averaged stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..arithmetic import axpy
from .rule import Rule, Scalar, Start, State, States, StateSpec, where, zeros


@dataclass(frozen=True)
class ASGD(Rule):
    """ASGD: SGD whose rate falls by itself, and the running average of its weights.

    ::

        w ← (1 − γₜλ_d)w − γₜg,        γ₁ = lr,  γₜ₊₁ = lrₜ/(1 + λ_d·lrₜ·t)^a
        ax ← ax + μₜ(w − ax),          μ₁ = 1,   μₜ₊₁ = 1/max(1, t − t₀)

    Shapes: all as the parameter but the scalars γ, μ. State: ``step``, ``eta`` (γ), ``mu``, ``ax``; the metric is 1.
    Source: Polyak & Juditsky 1992, https://doi.org/10.1137/0330046.
    Deviation: PyTorch's code, in which the rate in force was computed one step earlier, with the learning rate of
    that step; a printed form 1/(γ(1+λγt)^a) puts γ on the wrong side of the fraction.

    Args:
        lambd: λ_d, the decay term, in units of 1/lr.
        alpha: a, the power with which the rate falls.
        t0: t₀, the step from which the weights are averaged.

    Example:
        >>> rule, w = halflife.rules.ASGD(lambd=1.0), torch.ones(1)
        >>> w = rule.move(w, torch.zeros(1), 0.1)  # (1 − γλ_d)w
        >>> w, round(float(rule.finish(0.1, 1, w, {"mu": 1.0, "ax": w})["eta"]), 4)
        (tensor([0.9000]), 0.0931)
    """

    lambd: Scalar = 1e-4
    alpha: Scalar = 0.75
    t0: Scalar = 1e6

    acts_on = "coordinates"
    functor = "ASGD"
    metric = "identity"

    @property
    def states(self) -> States:
        return StateSpec("ax"), StateSpec("eta", "scalar"), StateSpec("mu", "scalar")

    def start(self, w: Tensor, lr: Scalar) -> Start:
        return {"eta": lr, "mu": 1.0, **zeros(w, "ax")}

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, float, State]:
        return g, 1.0, {}

    def rate(self, lr: Scalar, t: Scalar, s: State) -> Scalar:
        return s["eta"]

    def move(self, w: Tensor, u: Tensor, rate: Scalar) -> Tensor:
        return axpy(w * (1 - self.lambd * rate), u, -rate)

    def finish(self, lr: Scalar, t: Scalar, w: Tensor, s: State) -> State:
        λ, a, ax, μ = self.lambd, self.alpha, s["ax"], s["mu"]
        late = t - self.t0
        past = max(1.0, late) if isinstance(late, int | float) else late.clamp(min=1)
        ax = where(μ == 1, lambda: w, lambda: ax + μ * (w - ax))
        return {"ax": ax, "eta": lr / (1 + λ * lr * t) ** a, "mu": 1 / past}  # type: ignore[dict-item]
