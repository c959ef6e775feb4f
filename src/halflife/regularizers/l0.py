"""The number of weights."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..arithmetic import Scalar
from .regularizer import Regularizer


@dataclass(frozen=True)
class L0(Regularizer):
    """``R(w) = #{i: wᵢ ≠ 0}``, ``prox_τ(y) = y where |y| > √(2τ), else 0``: what stays is not shrunk.

    Example:
        >>> halflife.regularizers.L0().prox(torch.tensor([2.0, -0.3, 0.1]), 0.02)  # √0.04 = 0.2
        tensor([ 2.0000, -0.3000,  0.0000])
    """

    convex = False

    def value(self, w: Tensor) -> Tensor:
        return (w != 0).sum().to(w.dtype)

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        return y.masked_fill(y.abs() <= (2 * tau) ** 0.5, 0.0)
