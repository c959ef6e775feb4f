"""Adam as those frameworks write it that place ε, the bias or the decay elsewhere than PyTorch does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from ..optim import Optimizer
from ..rules import Rule, Scalar, State, States, StateSpec

FLOOR = 1e-15
"""Under the root in pytorch_optimizer: √(v + FLOOR)."""


@dataclass(frozen=True)
class FrameworkAdam(Rule):
    """Adam, as a framework writes it.

    ::

        m ← β₁m + (1−β₁)g,   v ← β₂v + (1−β₂)g²,   c₁ = 1−β₁ᵗ,   c₂ = 1−β₂ᵗ    (bias="raw": c₁ = c₂ = 1)
        first_moment="mean": m̂ = m/c₁                     "timm": m̂ = (β₁m + (1−β₁)g)/c₁
                     "optax": m̂ = β₁m/(1−β₁ᵗ⁺¹) + (1−β₁)g/c₁
        eps_form="standard":     D = √(v/c₂) + ε              "clamped":  D = max(√(v/c₂), ε)
                 "uncorrected":  D = (√v + ε)/√c₂             "floored":  D = (√(v + 1e-15) + ε)/√c₂
        bound="max": v at its largest so far              "max of corrected": v/c₂ at its largest so far
        u = m̂/D,   rate lr                                    (order="after": rate lr·(1 − lr·λ))

    ``order="after"`` goes with a decay by 1 − lr·λ: ``(w − lr·u)(1 − lr·λ) = (1 − lr·λ)w − lr(1 − lr·λ)u``.
    Shapes: m, v, D and u as the parameter. State: ``step``, ``exp_avg`` (m), ``exp_avg_sq`` (v) and, bounded,
    ``max_exp_avg_sq``, of v or of v/c₂.
    Source: the frameworks named in ``conventions.frameworks``. Deviation: for the order "after" in rounding alone.
    """

    beta1: Scalar = 0.9
    beta2: Scalar = 0.999
    eps: Scalar = 1e-8
    eps_form: Literal["standard", "uncorrected", "clamped", "floored"] = "uncorrected"
    bias: Literal["corrected", "raw"] = "corrected"
    first_moment: Literal["mean", "timm", "optax"] = "mean"
    order: Literal["before", "after"] = "before"
    weight_decay: Scalar = 0.0
    bound: Literal["none", "max", "max of corrected"] = "none"

    acts_on = "coordinates"

    @property
    def states(self) -> States:
        moments = StateSpec("exp_avg"), StateSpec("exp_avg_sq", sign="never negative")
        return moments if self.bound == "none" else (*moments, StateSpec("max_exp_avg_sq", sign="never negative"))

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor, State]:
        β1, β2 = self.beta1, self.beta2
        m = β1 * s["exp_avg"] + (1 - β1) * g
        v = β2 * s["exp_avg_sq"] + (1 - β2) * (g * g)
        c2, new = 1 - β2**t if self.bias == "corrected" else 1.0, {"exp_avg": m, "exp_avg_sq": v}
        if self.bound != "none":
            new["max_exp_avg_sq"] = v = s["max_exp_avg_sq"].maximum(v if self.bound == "max" else v / c2)
        D = self._metric(v, 1.0 if self.bound == "max of corrected" else c2)
        return self._mean(t, m, g) / D, D, new

    def _mean(self, t: Scalar, m: Tensor, g: Tensor) -> Tensor:
        β1 = self.beta1
        c1 = 1 - β1**t if self.bias == "corrected" else 1.0
        match self.first_moment:
            case "mean":
                return m / c1
            case "timm":
                return (β1 * m + (1 - β1) * g) / c1
            case "optax":
                return β1 / (1 - β1 ** (t + 1)) * m + (1 - β1) / c1 * g

    def _metric(self, v: Tensor, c2: Scalar) -> Tensor:
        ε = self.eps
        match self.eps_form:
            case "standard":
                return (v / c2).sqrt() + ε
            case "clamped":
                return (v / c2).sqrt().clamp(ε)
            case "uncorrected":
                return (v.sqrt() + ε) / c2**0.5
            case "floored":
                return ((v + FLOOR).sqrt() + ε) / c2**0.5

    def rate(self, lr: Scalar, t: Scalar, s: State) -> Scalar:
        return lr if self.order == "before" else lr * (1 - lr * self.weight_decay)


class FrameworkAdamW(Optimizer, rule=FrameworkAdam, decay="decoupled"):
    """Adam by :class:`FrameworkAdam`, under any decay; made by ``Convention.optimizer``."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As of any optimizer; ``first_moment`` was called ``look`` in older dicts."""
        super().load_state_dict(with_renamed_setting(state_dict, "look", "first_moment"))


def with_renamed_setting(state_dict: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """The same state_dict with one setting of its groups under its present name."""
    groups: list[dict[str, Any]] = state_dict.get("param_groups", [])
    renamed = [{new if name == old else name: value for name, value in group.items()} for group in groups]
    return {**state_dict, "param_groups": renamed} if groups else state_dict
