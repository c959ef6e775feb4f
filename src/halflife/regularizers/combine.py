"""Regularizers made of others: a sum, a multiple, a part of the coordinates."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..arithmetic import Scalar
from .box import Box, NonNegative
from .l2 import L2
from .regularizer import Regularizer


@dataclass(frozen=True)
class Scaled(Regularizer):
    """``c·R``: its prox at τ is R's at cτ.

    Args:
        factor: c, at least 0.
        of: R.

    Raises:
        ValueError: unless c ≥ 0.

    Example:
        >>> from halflife.regularizers import L1, Scaled
        >>> Scaled(2.0, L1()).prox(torch.tensor([2.0, -0.3]), 0.1)
        tensor([ 1.8000, -0.1000])
    """

    factor: float
    of: Regularizer

    def __post_init__(self) -> None:
        if not self.factor >= 0:
            raise ValueError(f"Scaled needs a factor of at least 0, but {self.factor} was given.")
        _inherit(self, (self.of,))

    def coupled_dims(self, w: Tensor) -> frozenset[int]:
        return self.of.coupled_dims(w)

    def check(self, w: Tensor) -> None:
        self.of.check(w)

    def anchor_of(self, w: Tensor) -> Tensor:
        return self.of.anchor_of(w)

    def at(self, anchor: Tensor) -> Regularizer:
        return Scaled(self.factor, self.of.at(anchor))

    def value(self, w: Tensor) -> Tensor:
        return self.factor * self.of.value(w)

    def grad(self, w: Tensor) -> Tensor:
        return self.factor * self.of.grad(w)

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        return self.of.prox(y, self.factor * tau)


@dataclass(frozen=True)
class OnSubset(Regularizer):
    """R on the coordinates where ``mask`` is true, nothing on the others.

    Args:
        of: R.
        mask: a bool tensor that broadcasts to the parameter's shape.

    Raises:
        ValueError: for an R that is not separable: its blocks would be cut.

    Example:
        >>> from halflife.regularizers import L1, OnSubset
        >>> OnSubset(L1(), torch.tensor([True, False])).prox(torch.tensor([2.0, 2.0]), 0.5)
        tensor([1.5000, 2.0000])
    """

    of: Regularizer
    mask: Tensor

    def __post_init__(self) -> None:
        if not self.of.separable:
            raise ValueError(
                f"OnSubset would cut the blocks of {self.of!r}; give it a separable regularizer such as L1()."
            )
        _inherit(self, (self.of,))

    def check(self, w: Tensor) -> None:
        if (
            w.is_complex()
            or len(self.mask.shape) > w.dim()
            or any(m not in (1, n) for m, n in zip(self.mask.shape[::-1], w.shape[::-1], strict=False))
        ):
            raise ValueError(
                f"OnSubset's mask of shape {tuple(self.mask.shape)} does not broadcast to a {w.dtype} parameter of "
                f"shape {tuple(w.shape)}; put that parameter in a group of its own (complex ones cannot be masked)."
            )

    def at(self, anchor: Tensor) -> Regularizer:
        return OnSubset(self.of.at(anchor), self.mask)

    def value(self, w: Tensor) -> Tensor:
        return self.of.value(w[self.mask.expand(w.shape)])

    def grad(self, w: Tensor) -> Tensor:
        return self.of.grad(w).where(self.mask, 0.0)

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        return self.of.prox(y, tau).where(self.mask, y)


@dataclass(frozen=True, init=False)
class Sum(Regularizer):
    """``R₁ + R₂ + …``: the gradient is the parts' sum.

    The prox has a closed form, and exists here, for any number of ``L2`` (scaled or not), at most one other separable
    convex part, and any number of bounds: ``clip(prox_{τ'R}(y/(1+τμ)))`` with μ the sum of the ridges' weights and
    τ' = τ/(1+τμ).

    Args:
        parts: R₁, R₂, …, one at least.
        saved: the same as ``parts=``, which a checkpoint has.

    Raises:
        ValueError: for no part.

    Example:
        >>> from halflife.regularizers import L1, L2, NonNegative, Sum
        >>> Sum(L1(), L2(), NonNegative()).prox(torch.tensor([2.0, -0.3, 0.1]), 0.2)
        tensor([1.5000, 0.0000, 0.0000])
    """

    parts: tuple[Regularizer, ...]

    def __init__(self, *parts: Regularizer, **saved: tuple[Regularizer, ...]) -> None:
        object.__setattr__(self, "parts", saved.get("parts", parts))
        if not self.parts:
            raise ValueError("Sum needs at least one regularizer, but none was given.")
        _, bounds, rest = self.sorted_parts()
        clippable = all(r.separable and r.convex for r in rest) or not bounds
        _inherit(self, self.parts, len(rest) <= 1 and clippable)

    def coupled_dims(self, w: Tensor) -> frozenset[int]:
        return frozenset[int]().union(*(part.coupled_dims(w) for part in self.parts))

    def check(self, w: Tensor) -> None:
        for part in self.parts:
            part.check(w)

    def sorted_parts(self) -> tuple[float, list[Regularizer], list[Regularizer]]:
        """The ridges' weight together, the bounds, and the rest, in the order in which the prox takes them."""
        ridge, bounds, rest = 0.0, list[Regularizer](), list[Regularizer]()
        for part in self.parts:
            if isinstance(part, L2):
                ridge += 1.0
            elif isinstance(part, Scaled) and isinstance(part.of, L2):
                ridge += part.factor
            else:
                (bounds if isinstance(part, Box | NonNegative) else rest).append(part)
        return ridge, bounds, rest

    def anchor_of(self, w: Tensor) -> Tensor:
        return next(part for part in self.parts if part.anchored).anchor_of(w)

    def at(self, anchor: Tensor) -> Regularizer:
        return Sum(*(part.at(anchor) for part in self.parts))

    def value(self, w: Tensor) -> Tensor:
        first, *others = (part.value(w) for part in self.parts)
        return sum(others, first)

    def grad(self, w: Tensor) -> Tensor:
        first, *others = (part.grad(w) for part in self.parts)
        return sum(others, first)

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        ridge, bounds, rest = self.sorted_parts()
        shrink = 1 + tau * ridge
        y = y / shrink
        for part in rest:
            y = part.prox(y, tau / shrink)
        for bound in bounds:
            y = bound.prox(y, tau)
        return y


def _inherit(whole: Regularizer, parts: tuple[Regularizer, ...], closed_form: bool = True) -> None:
    """What the parts can do together: class variables elsewhere, so set on the frozen instance by hand."""
    can = {
        "has_grad": all(part.has_grad for part in parts),
        "has_prox": closed_form and all(part.has_prox for part in parts),
        "separable": all(part.separable for part in parts),
        "convex": all(part.convex for part in parts),
        "constraint": any(part.constraint for part in parts),
        "anchored": any(part.anchored for part in parts),
        "anchor_shape": next((part.anchor_shape for part in parts if part.anchored), "parameter"),
        "has_metric_prox": all(part.has_metric_prox for part in parts),
    }
    for name, value in can.items():
        object.__setattr__(whole, name, value)
