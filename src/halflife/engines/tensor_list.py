# pyright: reportUnknownMemberType=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
"""Many tensors that are written like one: arithmetic on a ``TensorList`` is one ``torch._foreach_*`` call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Operand = Any  # a TensorList of the same length, a number or a 0-d tensor


class TensorList:
    """The operators and methods that the rules, placements and separable regularizers use.

    Elementwise over a list of tensors; the other operand is a list of the same length, a number or a 0-d tensor.
    What torch has no foreach kernel for (comparisons, ``where``, ``masked_fill``) goes through the list one by one.
    """

    __slots__ = ("tensors",)

    def __init__(self, tensors: Sequence[Tensor]):
        self.tensors = list(tensors)

    def map(self, f: Callable[..., Tensor], *others: Operand) -> TensorList:
        """``f`` of each tensor, and of each other operand's tensor where that is a list."""
        columns = [o.tensors if isinstance(o, TensorList) else [o] * len(self.tensors) for o in others]
        return TensorList([f(*row) for row in zip(self.tensors, *columns, strict=True)])

    def _each(self, kernel: Callable[..., Sequence[Tensor]], other: Operand, **alpha: Any) -> TensorList:
        other = other.tensors if isinstance(other, TensorList) else other
        return TensorList(kernel(self.tensors, other, **alpha))

    def _each_tensor(self, kernel: Callable[..., Sequence[Tensor]], other: Operand) -> TensorList:
        """For kernels that take a list or a number, but no 0-d tensor, as their second operand."""
        if isinstance(other, Tensor):
            other = TensorList([other] * len(self.tensors))
        return self._each(kernel, other)

    def __neg__(self) -> TensorList:
        return TensorList(torch._foreach_neg(self.tensors))

    def __add__(self, other: Operand) -> TensorList:
        return self._each(torch._foreach_add, other)

    __radd__ = __add__

    def __sub__(self, other: Operand) -> TensorList:
        return self._each_tensor(torch._foreach_sub, other)

    def __rsub__(self, other: Operand) -> TensorList:
        return (-self) + other

    def __mul__(self, other: Operand) -> TensorList:
        return self._each(torch._foreach_mul, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Operand) -> TensorList:
        return self._each(torch._foreach_div, other)

    def __rtruediv__(self, other: Operand) -> TensorList:
        inverse = TensorList(torch._foreach_reciprocal(self.tensors))
        return inverse if isinstance(other, int | float) and other == 1 else inverse * other

    def __pow__(self, other: Operand) -> TensorList:
        return self._each_tensor(torch._foreach_pow, other)

    def __rpow__(self, other: Operand) -> TensorList:
        return self.map(lambda exponent: other**exponent)

    def add(self, other: Operand, alpha: float = 1) -> TensorList:
        return self._each(torch._foreach_add, other, alpha=alpha)

    def sqrt(self) -> TensorList:
        return TensorList(torch._foreach_sqrt(self.tensors))

    def abs(self) -> TensorList:
        return TensorList(torch._foreach_abs(self.tensors))

    def sign(self) -> TensorList:
        return TensorList(torch._foreach_sign(self.tensors))

    def maximum(self, other: Operand) -> TensorList:
        return self._each_tensor(torch._foreach_maximum, other)

    def clamp(self, min: float | None = None, max: float | None = None) -> TensorList:
        raised = self.tensors if min is None else torch._foreach_clamp_min(self.tensors, min)
        return TensorList(raised if max is None else torch._foreach_clamp_max(raised, max))

    def masked_fill(self, mask: TensorList, value: Operand) -> TensorList:
        return self.map(torch.masked_fill, mask, value)

    def where(self, condition: Operand, other: Operand) -> TensorList:
        return self.map(lambda x, c, y: x.where(c, y), condition, other)

    def cos(self) -> TensorList:
        return TensorList(torch._foreach_cos(self.tensors))

    def acos(self) -> TensorList:
        return TensorList(torch._foreach_acos(self.tensors))

    def __lt__(self, other: Operand) -> TensorList:
        return self.map(torch.lt, other)

    def __le__(self, other: Operand) -> TensorList:
        return self.map(torch.le, other)

    def __gt__(self, other: Operand) -> TensorList:
        return self.map(torch.gt, other)

    def __ge__(self, other: Operand) -> TensorList:
        return self.map(torch.ge, other)

    def __eq__(self, other: object) -> TensorList:  # type: ignore[override]
        return self.map(torch.eq, other)

    __hash__ = None  # type: ignore[assignment]
