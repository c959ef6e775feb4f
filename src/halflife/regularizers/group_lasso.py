# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Lasso over blocks: whole rows, columns or filters become zero."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..arithmetic import Scalar
from .regularizer import Regularizer


@dataclass(frozen=True)
class GroupLasso(Regularizer):
    """``R(w) = Σ over blocks b of ‖w_b‖₂``, a block being all coordinates along ``dim``.

    With a scalar τ the prox is ``y_b·max(1 − τ/‖y_b‖, 0)``. With a threshold τᵢ a coordinate it is
    ``yᵢ/(1 + τᵢ/n)``, where n solves ``Σ yᵢ²/(n+τᵢ)² = 1``, or 0 if ``Σ(yᵢ/τᵢ)² ≤ 1``. Source: Yuan & Lin 2006.

    Args:
        dim: one dimension or several. For a linear layer's weight (out, in), 1 makes a block a neuron, 0 an input.

    Example:
        The row of norm 5 is shortened by 1, that of norm 0.5 becomes 0.
        >>> halflife.regularizers.GroupLasso(dim=1).prox(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 1.0)
        tensor([[2.4000, 3.2000],
                [0.0000, 0.0000]])
    """

    dim: int | tuple[int, ...] = 1

    separable = False

    def _dims(self) -> list[int]:
        return [self.dim] if isinstance(self.dim, int) else list(self.dim)

    def coupled_dims(self, w: Tensor) -> frozenset[int]:
        return frozenset(d % w.dim() for d in self._dims())

    def check(self, w: Tensor) -> None:
        if w.is_complex() or not all(-w.dim() <= d < w.dim() for d in self._dims()):
            what = "complex" if w.is_complex() else f"of shape {tuple(w.shape)}"
            raise ValueError(
                f"GroupLasso(dim={self.dim}) needs a real parameter that has such a dimension, and one is {what}; "
                "put that parameter in a group of its own with another regularizer."
            )

    def value(self, w: Tensor) -> Tensor:
        return torch.linalg.vector_norm(w, dim=self._dims()).sum()

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        if y.numel() == 0:
            return y
        norm = torch.linalg.vector_norm(y, dim=self._dims(), keepdim=True)
        if not isinstance(tau, Tensor) or tau.dim() == 0:
            kept = (1 - tau / norm).clamp(min=0)
            return y * kept.masked_fill(norm == 0, 0.0)
        n, alive = self._root(y, tau, norm)
        return (y * n / (n + tau).masked_fill(~alive, 1.0)).masked_fill(~alive, 0.0)

    def _root(self, y: Tensor, tau: Tensor, norm: Tensor) -> tuple[Tensor, Tensor]:
        """n for each block, and whether the block is not zero.

        Newton on ``1 − φ(n)^(−½)``, φ(n) = Σ yᵢ²/(n+τᵢ)²: that function is nearly straight (it is straight for equal
        τᵢ) and increases to its root from n = 0, so few iterations reach full precision.
        """
        dims, tiny = self._dims(), torch.finfo(y.dtype).tiny
        τ = tau.clamp(min=tiny)
        alive = ((y / τ) ** 2).sum(dims, keepdim=True) > 1
        below = norm - torch.linalg.vector_norm(τ, dim=dims, keepdim=True)  # of the largest τᵢ, an empty shard has none
        n = below.clamp(min=0)
        for _ in range(_NEWTON_STEPS):
            q = y / (n + τ)
            φ = (q * q).sum(dims, keepdim=True)
            slope = (q * q / (n + τ)).sum(dims, keepdim=True)
            n = (n + φ * (φ.sqrt() - 1) / slope.clamp(min=tiny)).clamp(min=0)
        return n, alive


_NEWTON_STEPS = 24
