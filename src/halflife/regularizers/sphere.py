# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""A fixed norm: the tensor, or each of its rows, stays on the sphere where it began."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf

import torch
from torch import Tensor

from ..arithmetic import Scalar
from .regularizer import Regularizer


@dataclass(frozen=True)
class Sphere(Regularizer):
    """``R(w) = 0 where ‖w‖ = r, else ∞``; ``prox(y) = r·y/‖y‖``, for any λ, 0 included.

    Args:
        dim: the dimensions along which the norm is taken, None all: ``dim=1`` is one sphere for each row of a matrix.
        anchor: r, the norm of the parameter as the optimizer's first step finds it, which fills it in and keeps it in
            the state under that name.

    Source: Wen et al. 2026, https://arxiv.org/abs/2606.16899, whose Hyperball is this beside ``rules.Normalized``.

    Example:
        >>> R = halflife.regularizers.Sphere(anchor=torch.tensor([1.0]))
        >>> R.prox(torch.tensor([3.0, 4.0]), 0.0)
        tensor([0.6000, 0.8000])
    """

    dim: int | tuple[int, ...] | None = None
    anchor: Tensor | None = field(default=None, repr=False, compare=False)

    separable = False
    convex = False
    constraint = True
    anchored = True
    anchor_shape = "norm"
    has_metric_prox = False

    def coupled_dims(self, w: Tensor) -> frozenset[int]:
        return frozenset(range(w.dim()))  # its radii are kept whole

    def check(self, w: Tensor) -> None:
        own = (self.dim,) if isinstance(self.dim, int) else self.dim or ()
        if w.is_complex() or not all(-w.dim() <= d < w.dim() for d in own):
            what = "complex" if w.is_complex() else f"of shape {tuple(w.shape)}"
            raise ValueError(
                f"Sphere(dim={self.dim}) needs a real parameter that has such a dimension, and one is {what}; put that "
                "parameter in a group of its own with another regularizer."
            )
        if not w.is_meta and w.numel() and bool((self.anchor_of(w.detach()) == 0).any()):
            where = "is 0" if self.dim is None else "has 0 in it"
            raise ValueError(
                f"Sphere keeps the norm that a parameter begins with, and of one of shape {tuple(w.shape)} that norm "
                f"{where}; initialize it, or put it in a group of its own with another regularizer."
            )

    def anchor_of(self, w: Tensor) -> Tensor:
        return torch.linalg.vector_norm(w, dim=self._dims(w), keepdim=True)

    def at(self, anchor: Tensor) -> Sphere:
        return replace(self, anchor=anchor)

    def value(self, w: Tensor) -> Tensor:
        away = (self.anchor_of(w) / self._radius - 1).abs() > torch.finfo(w.dtype).eps ** 0.5
        return w.new_zeros(()).masked_fill(away.any(), inf)

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        norm = self.anchor_of(y)
        return y * (self._radius / norm.masked_fill(norm == 0, 1.0))

    def spec(self) -> dict[str, object]:
        dim = list(self.dim) if isinstance(self.dim, tuple) else self.dim
        return {"name": "Sphere", "dim": dim}

    def _dims(self, w: Tensor) -> list[int]:
        return list(range(w.dim())) if self.dim is None else [self.dim] if isinstance(self.dim, int) else [*self.dim]

    @property
    def _radius(self) -> Tensor:
        if self.anchor is None:
            raise ValueError("Sphere has no radius yet; give it one with .at(norm), as the optimizer does.")
        return self.anchor
