"""The elastic net."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..arithmetic import Scalar
from .l1 import soft_threshold
from .regularizer import Regularizer


@dataclass(frozen=True)
class ElasticNet(Regularizer):
    """``R(w) = ρ‖w‖₁ + (1−ρ)·½‖w‖²``; the prox soft-thresholds by τρ, then divides by 1+τ(1−ρ).

    Args:
        l1_ratio: ρ, from 0 (ridge) to 1 (lasso).

    Raises:
        ValueError: unless 0 ≤ ρ ≤ 1.

    Source: Zou & Hastie 2005.

    Example:
        >>> halflife.regularizers.ElasticNet(0.5).prox(torch.tensor([2.0, -0.3, 0.1]), 0.2)
        tensor([ 1.7273, -0.1818,  0.0000])
    """

    l1_ratio: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.l1_ratio <= 1:
            raise ValueError(
                f"ElasticNet's l1_ratio must lie from 0 (ridge) to 1 (lasso), but {self.l1_ratio} was given."
            )

    def value(self, w: Tensor) -> Tensor:
        return self.l1_ratio * w.abs().sum() + (1 - self.l1_ratio) * 0.5 * (w * w).sum()

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        ρ = self.l1_ratio
        return soft_threshold(y, tau * ρ) / (1 + tau * (1 - ρ))
