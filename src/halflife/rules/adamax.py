"""Adamax: Adam in the infinity norm."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .rule import Rule, Scalar, State, States, StateSpec


@dataclass(frozen=True)
class Adamax(Rule):
    """Adamax: the mean of the gradients over a fading maximum of their magnitudes.

    ::

        m ← β₁m + (1−β₁)g
        D ← max(β₂D, |g| + ε)
        u = m/(1−β₁ᵗ)/D

    Shapes: m, D and u as the parameter. State: ``step``, ``exp_avg`` (m), ``exp_inf`` (D).
    Source: Kingma & Ba 2015, section 7.1, https://arxiv.org/abs/1412.6980.
    Deviation: PyTorch adds ε to |g|; the paper has none.

    Args:
        beta1, beta2: β₁ of the mean and β₂ of the maximum; each at least 0 and below 1.
        eps: ε, in units of g.

    Example:
        >>> rule, w = halflife.rules.Adamax(), torch.zeros(2)
        >>> u, D, _ = rule(1, w, torch.tensor([0.5, -100.0]), rule.start(w, lr=0.1))
        >>> D
        tensor([  0.5000, 100.0000])
    """

    beta1: Scalar = 0.9
    beta2: Scalar = 0.999
    eps: Scalar = 1e-8

    acts_on = "coordinates"
    functor = "Adamax"

    @property
    def states(self) -> States:
        return StateSpec("exp_avg"), StateSpec("exp_inf", sign="never negative")

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor, State]:
        β1, β2, ε = self.beta1, self.beta2, self.eps
        m = β1 * s["exp_avg"] + (1 - β1) * g
        D = (β2 * s["exp_inf"]).maximum(g.abs() + ε)
        return m / (1 - β1**t) / D, D, {"exp_avg": m, "exp_inf": D}
