"""Adam on the coordinates that a sparse gradient names."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .rule import Rule, Scalar, State, States, StateSpec


@dataclass(frozen=True)
class SparseAdam(Rule):
    """SparseAdam: Adam where the gradient has an entry, and nothing elsewhere: no decay of the averages either.

    ::

        m ← β₁m + (1−β₁)g,   v ← β₂v + (1−β₂)g²
        D = (√v + ε)/√(1−β₂ᵗ),   u = m/(1−β₁ᵗ)/D

    t counts the parameter's steps, also those in which a coordinate had no entry.
    Shapes: m, v, D and u as the gradient's entries. State: ``step``, ``exp_avg`` (m), ``exp_avg_sq`` (v).
    Source: Kingma & Ba 2015, https://arxiv.org/abs/1412.6980. Deviation: as in PyTorch, ε is added to √v before its
    bias is corrected.

    Args:
        beta1, beta2, eps: as in :class:`halflife.rules.Adam`; ε is added to √v.

    Example:
        >>> rule, w = halflife.rules.SparseAdam(), torch.zeros(2)
        >>> u, D, _ = rule(1, w, torch.tensor([0.5, -100.0]), rule.start(w, lr=0.1))
        >>> u
        tensor([ 1.0000, -1.0000])
    """

    beta1: Scalar = 0.9
    beta2: Scalar = 0.999
    eps: Scalar = 1e-8

    acts_on = "coordinates"
    sparse = "required"
    step_count = "int"  # torch's, alone among its optimizers

    @property
    def states(self) -> States:
        return StateSpec("exp_avg"), StateSpec("exp_avg_sq", sign="never negative")

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor, State]:
        β1, β2, ε = self.beta1, self.beta2, self.eps
        m = β1 * s["exp_avg"] + (1 - β1) * g
        v = β2 * s["exp_avg_sq"] + (1 - β2) * (g * g)
        D = (v.sqrt() + ε) / (1 - β2**t) ** 0.5
        return m / (1 - β1**t) / D, D, {"exp_avg": m, "exp_avg_sq": v}
