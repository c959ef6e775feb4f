"""NAdam: Adam with Nesterov's look ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from .rule import Rule, Scalar, Start, State, States, StateSpec, zeros


@dataclass(frozen=True)
class NAdam(Rule):
    """NAdam: the mean as it will stand one step ahead, under a momentum that grows with the clock.

    ::

        μₜ = β₁(1 − ½·0.96^(tψ)),   Π ← Π·μₜ
        m ← β₁m + (1−β₁)g,   v ← β₂v + (1−β₂)g²
        m̂ = μₜ₊₁·m/(1 − Π·μₜ₊₁) + (1−μₜ)·g/(1 − Π)
        D = √(v/(1−β₂ᵗ)) + ε,   u = m̂/D

    Shapes: m, v, D and u as the parameter, μ and Π scalars. State: ``step``, ``mu_product`` (Π), ``exp_avg`` (m),
    ``exp_avg_sq`` (v). Source: Dozat 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ.
    Deviation: PyTorch's constants 0.96 and ψ = ``momentum_decay`` = 4e-3, and β₁ (not μₜ) in m's own average.

    Args:
        beta1, beta2, eps: as in :class:`halflife.rules.Adam`.
        momentum_decay: ψ, how fast the momentum grows to β₁.

    Example:
        >>> rule, w = halflife.rules.NAdam(), torch.zeros(2)
        >>> start = rule.tick(1, rule.start(w, lr=0.1))
        >>> u, D, _ = rule(1, w, torch.tensor([0.5, -100.0]), start)
        >>> u
        tensor([ 1.0565, -1.0565])
    """

    beta1: Scalar = 0.9
    beta2: Scalar = 0.999
    eps: Scalar = 1e-8
    momentum_decay: Scalar = 4e-3

    acts_on = "coordinates"
    functor = "NAdam"

    @property
    def states(self) -> States:
        moments = StateSpec("exp_avg"), StateSpec("exp_avg_sq", sign="never negative")
        return (*moments, StateSpec("mu_product", "scalar"))

    def start(self, w: Tensor, lr: Scalar) -> Start:
        return {"mu_product": 1.0, **zeros(w, "exp_avg", "exp_avg_sq")}

    def tick(self, t: Scalar, s: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        return {**s, "mu_product": s["mu_product"] * self._mu(t)}

    def _mu(self, t: Scalar) -> Scalar:
        return self.beta1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor, State]:
        β1, β2, ε = self.beta1, self.beta2, self.eps
        μ, μ_next, Π = self._mu(t), self._mu(t + 1), s["mu_product"]
        m = β1 * s["exp_avg"] + (1 - β1) * g
        v = β2 * s["exp_avg_sq"] + (1 - β2) * (g * g)
        m_hat = μ_next / (1 - Π * μ_next) * m + (1 - μ) / (1 - Π) * g
        D = (v / (1 - β2**t)).sqrt() + ε
        return m_hat / D, D, {"exp_avg": m, "exp_avg_sq": v}
