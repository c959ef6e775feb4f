"""Bounds."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from torch import Tensor

from ..arithmetic import Scalar
from .regularizer import Regularizer


@dataclass(frozen=True)
class Box(Regularizer):
    """``R(w) = 0 where lo ≤ w ≤ hi, else ∞``; ``prox(y) = clip(y, lo, hi)``, for any λ, 0 included.

    Args:
        lo, hi: the bounds.

    Raises:
        ValueError: unless lo ≤ hi.

    Example:
        >>> halflife.regularizers.Box(0.0, 1.0).prox(torch.tensor([2.0, -0.3, 0.1]), 0.0)
        tensor([1.0000, 0.0000, 0.1000])
    """

    lo: float = -1.0
    hi: float = 1.0

    constraint = True

    def __post_init__(self) -> None:
        if not self.lo <= self.hi:
            raise ValueError(f"Box needs lo ≤ hi, but lo={self.lo} and hi={self.hi} were given.")

    def value(self, w: Tensor) -> Tensor:
        outside = ((w < self.lo) | (w > self.hi)).any()
        return w.new_zeros(()).masked_fill(outside, inf)

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        return y.clamp(self.lo, self.hi)


@dataclass(frozen=True)
class NonNegative(Regularizer):
    """``R(w) = 0 where w ≥ 0, else ∞``; ``prox(y) = max(y, 0)``, for any λ, 0 included.

    Example:
        >>> halflife.regularizers.NonNegative().prox(torch.tensor([2.0, -0.3, 0.1]), 0.0)
        tensor([2.0000, 0.0000, 0.1000])
    """

    constraint = True

    def value(self, w: Tensor) -> Tensor:
        return w.new_zeros(()).masked_fill((w < 0).any(), inf)

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        return y.clamp(min=0)
