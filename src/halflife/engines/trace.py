# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
"""A step written down: every operation on a ``Value`` becomes a line.

The four lines of :class:`halflife.update.Update` run unchanged over values in the place of tensors and leave a
``Trace``: what was done, in words, apart from the numbers it was done with.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Literal, NamedTuple

import numpy as np
from torch import Tensor


class UntraceableError(TypeError):
    """An operation that is no function of one coordinate's numbers, such as ``g.norm()``."""


class Operand(NamedTuple):
    """What a line works on: an input, a coefficient or an earlier line by its place among them, or a whole number."""

    kind: Literal["input", "coefficient", "line", "integer"]
    place: int


class Line(NamedTuple):
    """One operation: a word of ``OPERATIONS``, and its operands in order."""

    op: str
    operands: tuple[Operand, ...]


def _power(x: float, y: float) -> Any:
    """The C library's power, with which Python computes the numbers of the clock; numpy's where that is undefined."""
    try:
        return math.pow(x, y)
    except (ValueError, OverflowError):
        return np.power(x, y)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "fill": lambda x: x,
    "neg": np.negative,
    "abs": np.abs,
    "sign": lambda x: float(x > 0) - float(x < 0),  # 0 for NaN, as in torch
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "cos": np.cos,
    "acos": np.arccos,
    "tanh": np.tanh,
    "logical_not": np.logical_not,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "pow": _power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "fma": lambda a, x, y: y + a * x,  # y.add(x, alpha=a), which torch's kernels round once
    "clamp": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "where": lambda condition, x, y: x if condition else y,
}
"""Every word that a line may have, with its meaning in IEEE arithmetic; a comparison is 0 or 1."""

COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})
_SPELLINGS = {"true_divide": "div", "truediv": "div", "divide": "div", "multiply": "mul", "subtract": "sub"}


class Trace:
    """The lines of one coordinate's step, what they start from, and the numbers that they met on the way.

    ``lines`` and ``inputs`` say what was done. ``coefficients`` are the floats and 0-d tensors that were met, each a
    new one, in the order of meeting: which of them a line takes depends on when it met it and never on its value, so
    that the same lines hold for another learning rate or step. Whole numbers in a rule's text are part of the lines.
    With ``numbers=False`` the values are not computed, and no tensor is read.

    A ``clock`` is a trace of what is the same for all coordinates; this trace meets its values as coefficients, and an
    operation on one of each is a line of this one.
    """

    def __init__(self, numbers: bool = True, clock: Trace | None = None) -> None:
        self.numbers, self.clock = numbers, clock
        self.inputs: list[str] = []
        self.coefficients: list[Any] = []
        self.lines: list[Line] = []

    def input(self, name: str, value: float | None = None) -> Value:
        """A number that is given: the weight, the gradient, a state; NaN where it is not known yet."""
        self.inputs.append(name)
        value = float("nan") if value is None and self.numbers else value
        return Value(self, Operand("input", len(self.inputs) - 1), value)

    def operand(self, x: Any) -> tuple[Operand, Any]:
        """What a line writes for x, and its number. Raises ``UntraceableError`` for more than one number."""
        if isinstance(x, Value) and x.trace is not self.clock:
            if x.trace is not self:
                raise UntraceableError("a number of another trace cannot be met")
            return x.operand, x.value
        if type(x) is int:
            return Operand("integer", x), x
        if isinstance(x, Tensor) and x.dim():
            raise UntraceableError(f"a tensor of shape {tuple(x.shape)} is not one coordinate's number")
        if not isinstance(x, int | float | Tensor | Value):
            raise UntraceableError(f"{x!r} is not a number")
        self.coefficients.append(x)
        return Operand("coefficient", len(self.coefficients) - 1), float(x) if self.numbers else None  # type: ignore[arg-type]

    def record(self, op: str, *operands: Any) -> Value:
        """Append a line; its result."""
        for x in operands:
            if isinstance(x, Value) and x.trace.clock is self:
                return x.trace.record(op, *operands)
        read = [self.operand(x) for x in operands]
        value = None
        if self.numbers:
            with np.errstate(all="ignore"):
                value = float(OPERATIONS[op](*(number for _, number in read)))
        return self.append(Line(op, tuple(operand for operand, _ in read)), value)

    def append(self, line: Line, value: float | None) -> Value:
        """Append a line whose result is known."""
        self.lines.append(line)
        return Value(self, Operand("line", len(self.lines) - 1), value)

    def apply(self, name: str, args: Sequence[Any], named: Mapping[str, Any]) -> Value:
        """Record torch's function or method of that name. Raises ``UntraceableError`` where it has no line."""
        if name in _COMPOSED:
            return _COMPOSED[name](self, *args, **named)
        if name not in OPERATIONS or named or len(args) != _operands(name):
            raise UntraceableError(f"{name!r} is no operation on one coordinate's number that can be written as a line")
        return self.record(name, *args)


@cache
def _operands(op: str) -> int:
    """How many operands a word takes."""
    f = OPERATIONS[op]
    return f.nin if isinstance(f, np.ufunc) else len(inspect.signature(f).parameters)


class DivergedError(Exception):
    """A trace that was to be met again is another one."""


class Replay(Trace):
    """The lines of a trace met again, with other numbers: ``coefficients`` are the new ones, all else is compared.

    Twice as fast as a trace. ``again()`` begins it. What differs in a line raises ``DivergedError``.
    """

    def __init__(self, first: Trace, clock: Trace | None = None) -> None:
        super().__init__(numbers=False, clock=clock)
        self.inputs, self.lines, self._at, self._entered = first.inputs, first.lines, 0, 0
        known: dict[Operand, Any] = {}
        self._inputs = [Value(self, Operand("input", place), None) for place in range(len(first.inputs))]
        known.update((x.operand, x) for x in self._inputs)
        self._steps = list[tuple[str, list[Any], Value]]()
        for place, line in enumerate(first.lines):
            result = known[Operand("line", place)] = Value(self, Operand("line", place), None)
            expected = [x.place if x.kind == "integer" else known.get(x) for x in line.operands]
            self._steps.append((line.op, expected, result))

    def again(self) -> None:
        """From the first line on."""
        self.coefficients, self._at, self._entered = [], 0, 0

    @property
    def finished(self) -> bool:
        """Whether all lines were met."""
        return self._at == len(self._steps)

    def input(self, name: str, value: float | None = None) -> Value:
        if self._entered == len(self.inputs) or self.inputs[self._entered] != name:
            raise DivergedError
        self._entered += 1
        return self._inputs[self._entered - 1]

    def record(self, op: str, *operands: Any) -> Value:
        place = self._at
        for x in operands if self.clock is None else ():
            if type(x) is Value and x.trace.clock is self:
                return x.trace.record(op, *operands)
        if place == len(self._steps) or self._steps[place][0] != op:
            raise DivergedError
        _, expected, result = self._steps[place]
        for x, known in zip(operands, expected, strict=True):
            if x is known:
                continue
            if known is None and type(x) is float:
                self.coefficients.append(x)
            elif known is None and type(x) is not int:
                if self.operand(x)[0].kind != "coefficient":
                    raise DivergedError
            elif type(x) is not int or x != known or isinstance(known, Value):
                raise DivergedError
        self._at = place + 1
        return result


def _operator(op: str) -> Callable[..., Value]:
    def method(x: Value, *others: Any) -> Value:
        return x.trace.record(op, x, *others)

    return method


def _reflected(op: str) -> Callable[..., Value]:
    def method(x: Value, other: Any) -> Value:
        return x.trace.record(op, other, x)

    return method


class Value:
    """One coordinate's number, with a tensor's operators and methods; each use of them is a line of its ``trace``."""

    __slots__ = ("operand", "trace", "value")

    def __init__(self, trace: Trace, operand: Operand, value: float | None) -> None:
        self.trace, self.operand, self.value = trace, operand, value

    def __getattr__(self, name: str) -> Callable[..., Value]:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in _COMPOSED and name not in OPERATIONS:
            raise UntraceableError(f"one coordinate's number has no {name!r}; the step cannot be written down as lines")
        return lambda *args, **named: self.trace.apply(name, (self, *args), named)

    @classmethod
    def __torch_function__(cls, f: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Value:
        """``torch.f(…)`` with a value among its arguments."""
        word = str(f.__name__).strip("_")
        for x in (*args, *(kwargs or {}).values()):
            if isinstance(x, Value):
                return x.trace.apply(_SPELLINGS.get(word, word), args, kwargs or {})
        raise UntraceableError(f"{word!r} takes lists of tensors, and is no operation on one coordinate's number")

    def where(self, condition: Any, other: Any) -> Value:
        """This number where the condition holds, else the other."""
        return self.trace.record("where", condition, self, other)

    def __bool__(self) -> bool:
        raise UntraceableError("Python cannot branch on one coordinate's number; use where or masked_fill")

    __hash__ = None  # type: ignore[assignment]
    __eq__ = _operator("eq")  # type: ignore[assignment]
    __ne__ = _operator("ne")  # type: ignore[assignment]
    __lt__, __le__, __gt__, __ge__ = _operator("lt"), _operator("le"), _operator("gt"), _operator("ge")
    __neg__, __abs__, __invert__ = _operator("neg"), _operator("abs"), _operator("logical_not")
    __and__, __or__ = _operator("logical_and"), _operator("logical_or")
    __add__, __sub__, __mul__ = _operator("add"), _operator("sub"), _operator("mul")
    __radd__, __rsub__, __rmul__ = _reflected("add"), _reflected("sub"), _reflected("mul")
    __truediv__, __pow__ = _operator("div"), _operator("pow")
    __rtruediv__, __rpow__ = _reflected("div"), _reflected("pow")


def _add(trace: Trace, x: Any, other: Any, alpha: Any = None) -> Value:
    return trace.record("add", x, other) if alpha is None else trace.record("fma", alpha, other, x)


def _clamp(trace: Trace, x: Any, min: Any = None, max: Any = None) -> Value:
    if min is None or max is None:
        return trace.record("minimum", x, max) if min is None else trace.record("maximum", x, min)
    return trace.record("clamp", x, min, max)


def _masked_fill(trace: Trace, x: Any, mask: Any, value: Any) -> Value:
    return trace.record("where", mask, value, x)


def _lerp(trace: Trace, x: Any, end: Any, weight: Any) -> Value:
    return trace.record("fma", weight, trace.record("sub", end, x), x)


def _square(trace: Trace, x: Any) -> Value:
    return trace.record("mul", x, x)


def _filled(trace: Trace, x: Any, fill_value: Any) -> Value:
    return trace.record("fill", fill_value)


_COMPOSED: dict[str, Callable[..., Value]] = {
    "add": _add,
    "clamp": _clamp,
    "masked_fill": _masked_fill,
    "lerp": _lerp,
    "square": _square,
    "full_like": _filled,
    "zeros_like": partial(_filled, fill_value=0),
    "ones_like": partial(_filled, fill_value=1),
}
"""What torch writes as one operation and a trace as another."""
