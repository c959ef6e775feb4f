# pyright: reportUnknownMemberType=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
"""Many tensors that are written like one: arithmetic on a ``TensorList`` is one ``torch._foreach_*`` call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Operand = Any  # a TensorList of the same length, a number or a 0-d tensor


class TensorList:
    """A list of tensors with the operators and methods of a tensor, each applied to every tensor of the list.

    The other operand is a list of the same length, a number or a 0-d tensor. What the rules use most is one foreach
    kernel; any other method or torch function (comparisons, ``where``, ``torch.tanh`` in a rule of one's own) goes
    through the list tensor by tensor.
    """

    __slots__ = ("tensors",)

    def __init__(self, tensors: Sequence[Tensor]):
        self.tensors = list(tensors)

    def map(self, f: Callable[..., Tensor], *others: Operand, **named: Operand) -> TensorList:
        """``f`` of each tensor, and of each other operand's tensor where that is a list."""
        rows = [[_at(other, i) for other in others] for i in range(len(self.tensors))]
        names = [{name: _at(other, i) for name, other in named.items()} for i in range(len(self.tensors))]
        return TensorList([f(x, *row, **name) for x, row, name in zip(self.tensors, rows, names, strict=True)])

    @classmethod
    def __torch_function__(cls, f: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> TensorList:
        """``torch.f(…)`` with a list among its arguments, tensor by tensor."""
        named: dict[str, Any] = kwargs or {}
        length = next(len(a.tensors) for a in (*args, *named.values()) if isinstance(a, TensorList))
        rows = ((tuple(_at(a, i) for a in args), {n: _at(a, i) for n, a in named.items()}) for i in range(length))
        return TensorList([f(*row, **names) for row, names in rows])

    def __getattr__(self, name: str) -> Callable[..., TensorList]:
        method: Any = None if name.startswith("__") else getattr(Tensor, name, None)
        if not inspect.isroutine(method):
            raise AttributeError(f"TensorList has no {name!r}: it has no shape or dtype of its own")
        return functools.partial(self.map, method)

    def _each(self, kernel: Callable[..., Sequence[Tensor]], other: Operand, **alpha: Any) -> TensorList:
        return TensorList(kernel(self.tensors, other.tensors if isinstance(other, TensorList) else other, **alpha))

    def _each_tensor(self, kernel: Callable[..., Sequence[Tensor]], other: Operand) -> TensorList:
        """For kernels that take a list or a number, but no 0-d tensor, as their second operand."""
        return self._each(kernel, TensorList([other] * len(self.tensors)) if isinstance(other, Tensor) else other)

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


def _at(operand: Operand, i: int) -> Any:
    return operand.tensors[i] if isinstance(operand, TensorList) else operand
