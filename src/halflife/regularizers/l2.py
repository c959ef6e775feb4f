"""Ridge, the weight decay that everybody means."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..arithmetic import Scalar
from .regularizer import Regularizer


@dataclass(frozen=True)
class L2(Regularizer):
    """``R(w) = ½‖w‖²``, ``∇R = w``, ``prox_τ(y) = y/(1+τ)``.

    Example:
        >>> R, w = halflife.regularizers.L2(), torch.tensor([2.0, -4.0])
        >>> R.value(w), R.prox(w, 1.0)
        (tensor(10.), tensor([ 1., -2.]))
    """

    has_grad = True

    def value(self, w: Tensor) -> Tensor:
        return 0.5 * (w * w).sum()

    def grad(self, w: Tensor) -> Tensor:
        return w

    def descend(self, w: Tensor, tau: Scalar) -> Tensor:
        return w * (1 - tau)  # torch's own order, which float32 shows after a few steps

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        return y / (1 + tau)
