"""Adam and AMSGrad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from .rule import Rule, Scalar, State, States, StateSpec


@dataclass(frozen=True)
class Adam(Rule):
    """Adam: the mean of the gradients over the root of their mean square, both freed of their start at zero.

    ::

        m ← β₁m + (1−β₁)g,   v ← β₂v + (1−β₂)g²
        m̂ = m/(1−β₁ᵗ),       v̂ = v/(1−β₂ᵗ)       (bound="max": v_max ← max(v_max, v), v̂ = v_max/(1−β₂ᵗ))
        eps_place="outside":  D = √v̂ + ε          "inside":  D = √(v̂ + ε)
        u = m̂/D

    Shapes: m, v, D and u as the parameter. State: ``step``, ``exp_avg`` (m), ``exp_avg_sq`` (v) and, for
    ``bound="max"``, ``max_exp_avg_sq``.
    Source: Kingma & Ba 2015, https://arxiv.org/abs/1412.6980; AMSGrad: Reddi et al. 2018,
    https://arxiv.org/abs/1904.09237. Deviation: as in PyTorch, AMSGrad bounds v before its bias is corrected.

    Args:
        beta1, beta2: β₁ and β₂, the shares of the old averages that stay; each at least 0 and below 1.
        eps: ε, in units of g; inside the root, of g².
        bound: "max" for AMSGrad.
        eps_place: where ε stands.

    Example:
        In the first step u is the gradient's sign, but for ε, and D its size:
        >>> rule, w = halflife.rules.Adam(), torch.zeros(2)
        >>> u, D, _ = rule(1, w, torch.tensor([0.5, -100.0]), rule.start(w, lr=0.1))
        >>> u, D
        (tensor([ 1., -1.]), tensor([  0.5000, 100.0000]))
    """

    beta1: Scalar = 0.9
    beta2: Scalar = 0.999
    eps: Scalar = 1e-8
    bound: Literal["none", "max"] = "none"
    eps_place: Literal["outside", "inside"] = "outside"

    acts_on = "coordinates"
    functor = "Adam"

    @property
    def states(self) -> States:
        moments = StateSpec("exp_avg"), StateSpec("exp_avg_sq", sign="never negative")
        return (*moments, StateSpec("max_exp_avg_sq", sign="never negative")) if self.bound == "max" else moments

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor, State]:
        β1, β2, ε = self.beta1, self.beta2, self.eps
        m = β1 * s["exp_avg"] + (1 - β1) * g
        v = β2 * s["exp_avg_sq"] + (1 - β2) * (g * g)
        new, v_used = {"exp_avg": m, "exp_avg_sq": v}, v
        if self.bound == "max":
            new["max_exp_avg_sq"] = v_used = s["max_exp_avg_sq"].maximum(v)
        m_hat = m / (1 - β1**t)
        v_hat = v_used / (1 - β2**t)
        D = v_hat.sqrt() + ε if self.eps_place == "outside" else (v_hat + ε).sqrt()
        return m_hat / D, D, new
