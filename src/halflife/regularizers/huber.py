"""Huber's function: ridge for small weights, lasso for large ones."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..arithmetic import Scalar
from .l1 import soft_threshold
from .regularizer import Regularizer


@dataclass(frozen=True)
class Huber(Regularizer):
    """``R(w) = Σ ½wᵢ² where |wᵢ| ≤ δ, else δ|wᵢ| − ½δ²``; ``∇R = clip(w, −δ, δ)``.

    ``prox_τ(y) = y/(1+τ) where |y| ≤ δ(1+τ), else y − τδ·sign(y)``.

    Args:
        delta: δ, where the ridge ends, in units of w.

    Raises:
        ValueError: unless δ > 0.

    Example:
        >>> halflife.regularizers.Huber(delta=0.5).prox(torch.tensor([2.0, -0.3]), 1.0)
        tensor([ 1.5000, -0.1500])
    """

    delta: float = 1.0

    has_grad = True

    def __post_init__(self) -> None:
        if not self.delta > 0:
            raise ValueError(f"Huber's delta is where the ridge ends and must be positive, but {self.delta} was given.")

    def value(self, w: Tensor) -> Tensor:
        a, δ = w.abs(), self.delta
        return (0.5 * w * w).where(a <= δ, δ * a - 0.5 * δ**2).sum()

    def grad(self, w: Tensor) -> Tensor:
        return w.clamp(-self.delta, self.delta)

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        δ = self.delta
        return (y / (1 + tau)).where(y.abs() <= δ * (1 + tau), soft_threshold(y, tau * δ))
