"""The square-root penalty, between L0 and L1."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

from torch import Tensor

from ..arithmetic import Scalar
from .regularizer import Regularizer


@dataclass(frozen=True)
class LHalf(Regularizer):
    """``R(w) = Σ|wᵢ|^½``; the prox is half thresholding.

    ::

        prox_τ(y) = ⅔y(1 + cos(⅔(π − φ))),  cos φ = (τ/4)(|y|/3)^(−3/2)    where |y| > (3/2)τ^(2/3), else 0

    Source: Xu et al. 2012, https://doi.org/10.1109/TNNLS.2012.2197412, with their λ = 2τ.

    Example:
        >>> halflife.regularizers.LHalf().prox(torch.tensor([2.0, -0.3, 0.1]), 0.1)
        tensor([1.9643, 0.0000, 0.0000])
    """

    convex = False

    def value(self, w: Tensor) -> Tensor:
        return w.abs().sqrt().sum()

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        a = y.abs()
        small = a <= 1.5 * tau ** (2 / 3)
        φ = (tau / 4 * (a.masked_fill(small, 1.0) / 3) ** -1.5).clamp(max=1.0).acos()
        return (2 / 3 * y * (1 + (2 / 3 * (pi - φ)).cos())).masked_fill(small, 0.0)
