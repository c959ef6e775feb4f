"""Lasso."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..arithmetic import Scalar
from .regularizer import Regularizer


def soft_threshold(y: Tensor, tau: Scalar) -> Tensor:
    """``sign(y)·max(|y|−τ, 0)``."""
    return y.sign() * (y.abs() - tau).clamp(min=0)


@dataclass(frozen=True)
class L1(Regularizer):
    """``R(w) = ‖w‖₁``, ``prox_τ(y) = sign(y)·max(|y|−τ, 0)``: weights become exactly zero.

    Example:
        >>> halflife.regularizers.L1().prox(torch.tensor([2.0, -0.3, 0.1]), 0.2)
        tensor([ 1.8000, -0.1000,  0.0000])
    """

    def value(self, w: Tensor) -> Tensor:
        return w.abs().sum()

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        return soft_threshold(y, tau)
