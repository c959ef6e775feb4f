"""Decay toward the starting point instead of zero (L2-SP)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor

from ..arithmetic import Scalar
from .regularizer import Regularizer


@dataclass(frozen=True)
class TowardInit(Regularizer):
    """``R(w) = ½‖w−w₀‖²``, ``∇R = w−w₀``, ``prox_τ(y) = w₀ + (y−w₀)/(1+τ)``.

    Args:
        anchor: w₀, the parameter as the optimizer's first step finds it, which fills it in, keeps it in the state under
            that name and saves it in checkpoints.

    Source: Li, Grandvalet & Davoine 2018, https://arxiv.org/abs/1802.01483.

    Example:
        Without a gradient the weights return to where they began, which a step of SGD had left:
        >>> w = torch.nn.Parameter(torch.tensor([1.0]))
        >>> R = halflife.regularizers.TowardInit()
        >>> optimizer = halflife.SGD([w], lr=0.1, weight_decay=1.0, decay="decoupled", regularizer=R)
        >>> for g in (5.0, 0.0, 0.0):
        ...     w.grad = torch.tensor([g])
        ...     optimizer.step()
        ...     print(round(w.item(), 4))
        0.5
        0.55
        0.595
    """

    anchor: Tensor | None = field(default=None, repr=False, compare=False)

    has_grad = True
    anchored = True

    def at(self, anchor: Tensor) -> TowardInit:
        return replace(self, anchor=anchor)

    def value(self, w: Tensor) -> Tensor:
        d = self.grad(w)
        return 0.5 * (d * d).sum()

    def grad(self, w: Tensor) -> Tensor:
        return w - self._w0

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        w0 = self._w0
        return w0 + (y - w0) / (1 + tau)

    def spec(self) -> dict[str, str]:
        return {"name": "TowardInit"}

    @property
    def _w0(self) -> Tensor:
        if self.anchor is None:
            raise ValueError("TowardInit has no starting point yet; give it one with .at(w0), as the optimizer does.")
        return self.anchor
