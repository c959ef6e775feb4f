# pyright: reportConstantRedefinition=false
"""Adafactor: Adam's second moment as a row and a column, and steps relative to the weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .rule import Rule, Scalar, State, States, StateSpec


@dataclass(frozen=True)
class Adafactor(Rule):
    """Adafactor: the mean square gradient kept as its row means times its column means::

        1−β₂ = t^τ,   R ← β₂R + (1−β₂)·(mean of g² along each row),   C ← β₂C + (1−β₂)·(mean along each column)
        V = RC/max(mean(R), ε₁)           of vectors:  V ← β₂V + (1−β₂)g²
        U = g/max(√V, ε₁),                α = max(ε₂, RMS(w)) / max(1, RMS(U)/d)
        D = max(√V, ε₁)/α,                u = g/D = αU,   rate = min(lr, 1/√t)

    Rows and columns are of the last two dimensions. Shapes: R (…, A, 1), C (…, 1, B), the rest as the parameter.
    State: ``step``, ``row_var`` (R) and ``col_var`` (C), or ``variance`` (V) of vectors. Source: Shazeer & Stern 2018,
    https://arxiv.org/abs/1804.04235. Deviation: as in PyTorch, ε₁ bounds the estimate (None is the machine epsilon) and
    is not added to g²; lr is the largest rate, where the paper has 0.01; and a decay has the lr itself.

    Args:
        beta2_decay, d: τ, at most 0, and the root mean square of U above which it is clipped.
        eps1, eps2: ε₁, the least √V, in units of g, and ε₂, the least RMS(w) that a step is relative to.

    Example:
        >>> w = torch.ones(3, 2)
        >>> {name: tuple(x.shape) for name, x in halflife.rules.Adafactor()(1, w, w, {})[2].items()}
        {'row_var': (3, 1), 'col_var': (1, 2)}
    """

    beta2_decay: Scalar = -0.8
    eps1: Scalar | None = None
    eps2: Scalar = 1e-3
    d: Scalar = 1.0

    @property
    def states(self) -> States:
        begun, sign = "with the first gradient", "never negative"
        return (
            StateSpec("row_var", "rows", sign, begun, of="matrices"),
            StateSpec("col_var", "columns", sign, begun, of="matrices"),
            StateSpec("variance", "parameter", sign, begun, of="vectors"),
        )

    def check(self, p: Tensor) -> None:
        if p.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor, State]:
        share = t**self.beta2_decay  # 1 at first, so that the first average is the first mean square
        if g.dim() > 1:
            R, C = (_averaged(s, name, share, _mean(g * g, dim)) for name, dim in (("row_var", -1), ("col_var", -2)))
            ε = self._ε(g)
            V, new = R @ C / _mean(R, -2).clamp(min=ε), {"row_var": R, "col_var": C}
        else:
            V = _averaged(s, "variance", share, g * g)
            ε, new = self._ε(g), {"variance": V}
        D = V.clamp(min=ε * ε).sqrt()
        α = _rms(w).clamp(min=self.eps2) / (_rms(g / D) / self.d).clamp(min=1.0)
        D = D / α
        return g / D, D, new

    def rate(self, lr: Scalar, t: Scalar, s: State) -> Scalar:
        most = 1 / t**0.5
        if isinstance(most, int | float):
            return lr.clamp(max=most) if isinstance(lr, Tensor) else min(lr, most)
        return most.minimum(lr) if isinstance(lr, Tensor) else most.clamp(max=lr)

    def _ε(self, g: Tensor) -> Scalar:
        return torch.finfo(g.dtype).eps if self.eps1 is None else self.eps1


def _averaged(s: State, name: str, share: Scalar, x: Tensor) -> Tensor:
    """``(1 − share)·old + share·x``; there is no old one at first."""
    return s[name] + share * (x - s[name]) if name in s else x


def _mean(x: Tensor, dim: int) -> Tensor:
    return x.mean(dim, keepdim=True)


def _rms(x: Tensor) -> Tensor:
    return (x * x).mean().sqrt()
