"""RAdam: Adam that waits until its second moment can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .rule import Rule, Scalar, State, States, StateSpec, where


@dataclass(frozen=True)
class RAdam(Rule):
    """RAdam: momentum alone while the variance of 1/√v is unknown, then Adam rectified by r.

    ::

        m ← β₁m + (1−β₁)g,   v ← β₂v + (1−β₂)g²,   m̂ = m/(1−β₁ᵗ)
        ρ∞ = 2/(1−β₂) − 1,   ρ = ρ∞ − 2tβ₂ᵗ/(1−β₂ᵗ)
        ρ > 5:   r = √((ρ−4)(ρ−2)ρ∞ / ((ρ∞−4)(ρ∞−2)ρ)),   D = (√v + ε)/(r√(1−β₂ᵗ))
        else:    D = 1
        u = m̂/D

    Shapes: m, v, D and u as the parameter, ρ and r scalars. State: ``step``, ``exp_avg`` (m), ``exp_avg_sq`` (v).
    Source: Liu et al. 2020, https://arxiv.org/abs/1908.03265.
    Deviation: as in PyTorch the threshold is 5 (the paper's is 4) and ε is added to the uncorrected root.

    Args:
        beta1, beta2, eps: as in :class:`halflife.rules.Adam`.

    Example:
        In the first steps ρ ≤ 5, and u is the mean of the gradients itself:
        >>> rule, w = halflife.rules.RAdam(), torch.zeros(2)
        >>> u, D, _ = rule(1, w, torch.tensor([0.5, -100.0]), rule.start(w, lr=0.1))
        >>> u, D
        (tensor([   0.5000, -100.0000]), 1.0)
    """

    beta1: Scalar = 0.9
    beta2: Scalar = 0.999
    eps: Scalar = 1e-8

    acts_on = "coordinates"
    functor = "RAdam"

    @property
    def states(self) -> States:
        return StateSpec("exp_avg"), StateSpec("exp_avg_sq", sign="never negative")

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor | float, State]:
        β1, β2, ε = self.beta1, self.beta2, self.eps
        m = β1 * s["exp_avg"] + (1 - β1) * g
        v = β2 * s["exp_avg_sq"] + (1 - β2) * (g * g)
        ρ_inf = 2 / (1 - β2) - 1
        ρ = ρ_inf - 2 * t * β2**t / (1 - β2**t)

        def rectified() -> Tensor:
            r = ((ρ - 4) * (ρ - 2) * ρ_inf / ((ρ_inf - 4) * (ρ_inf - 2) * ρ)) ** 0.5
            return (v.sqrt() + ε) / (r * (1 - β2**t) ** 0.5)

        D = where(ρ > 5, rectified, lambda: 1.0)
        return m / (1 - β1**t) / D, D, {"exp_avg": m, "exp_avg_sq": v}
