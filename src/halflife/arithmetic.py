"""What all four axes compute with."""

from __future__ import annotations

from torch import Tensor

Scalar = float | Tensor
"""A hyper-parameter: a number, a 0-d tensor or, in a grid of replicas, one that broadcasts."""


def axpy(y: Tensor, x: Tensor, a: Scalar) -> Tensor:
    """``y + a·x``, in one rounding where ``a`` is a plain number."""
    return y.add(x, alpha=a) if isinstance(a, int | float) else y + a * x
