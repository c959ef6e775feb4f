"""One weight's step recorded: the lines of a trace, and the names that the running text gave to their results."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, NamedTuple

from torch import Tensor

from ..engines import trace
from ..engines.trace import Line, Operand, Trace, Value


class Condition(NamedTuple):
    """A comparison of two numbers of the clock on which Python's own branches depend."""

    op: str
    operands: tuple[Operand, Operand]
    holds: bool


class Binding(NamedTuple):
    """A name that a function gave to a result, and the conditions under which it did."""

    name: str
    what: Value | Number | float
    conditions: tuple[Condition, ...] = ()
    code: CodeType | None = None


class Recording(Trace):
    """A trace that keeps each result's number, and writes lines for numbers of the clock (β, t, lr) as well.

    What is computed twice is one line here, so that a name given to either result is the other's too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.results: dict[Operand, float] = {}
        self.scalars: set[Operand] = set()
        self.conditions: list[tuple[FrameType, Condition]] = []
        self._written: dict[Line, Value] = {}
        self._met: dict[float, tuple[Operand, float]] = {}

    def input(self, name: str, value: float | None = None) -> Value:
        x = super().input(name, value)
        assert x.value is not None
        self.results[x.operand] = x.value
        return x

    def operand(self, x: Any) -> tuple[Operand, Any]:
        if isinstance(x, Number):
            return x.operand, float(x)
        if isinstance(x, Value | Tensor) or type(x) is int:
            operand, value = super().operand(x)
            self.results[operand] = value
            return operand, value
        if x not in self._met:
            self._met[x] = super().operand(x)
            self.results.update([self._met[x]])
        return self._met[x]

    def append(self, line: Line, value: float | None) -> Value:
        if line not in self._written:
            x = self._written[line] = super().append(line, value)
            self.results[x.operand] = float("nan") if value is None else value
        return self._written[line]

    def number(self, x: Value) -> Number:
        """The same result as a Python float."""
        self.scalars.add(x.operand)
        return Number(self, x.operand)

    def rounded(self, x: Number | float, value: float) -> Number:
        """What is left of a number that is kept in single precision."""
        operand, _ = self.operand(x)
        return self.number(self.append(Line("float32", (operand,)), value))

    def is_constant(self, x: Value) -> bool:
        """Whether it is a number that a state is filled with."""
        return x.operand.kind == "line" and self.lines[x.operand.place].op == "fill"

    def compare(self, op: str, x: Any, y: Any, holds: bool, frame: FrameType) -> bool:
        """Note a comparison, and answer it."""
        self.conditions.append((frame, Condition(op, (self.operand(x)[0], self.operand(y)[0]), holds)))
        return holds


def _arithmetic(op: str, reflected: bool = False) -> Callable[..., Any]:
    def method(x: Number, y: Any) -> Any:
        if not isinstance(y, int | float):
            return NotImplemented
        return x.recording.number(x.recording.record(op, *((y, x) if reflected else (x, y))))

    return method


def _comparison(op: str, compare: Callable[[float, Any], Any]) -> Callable[..., Any]:
    def method(x: Number, y: Any) -> Any:
        if not isinstance(y, int | float):
            return NotImplemented
        return x.recording.compare(op, x, y, compare(float(x), y), sys._getframe(1))

    return method


class Number(float):
    """A hyper-parameter or a number of the clock: a float with a line, on which Python branches as on any float."""

    recording: Recording
    operand: Operand

    def __new__(cls, recording: Recording, operand: Operand) -> Number:
        x = super().__new__(cls, recording.results[operand])
        x.recording, x.operand = recording, operand
        return x

    def __neg__(self) -> Number:
        return self.recording.number(self.recording.record("neg", self))

    def __abs__(self) -> Number:
        return self.recording.number(self.recording.record("abs", self))

    __hash__ = float.__hash__
    __add__, __sub__, __mul__ = _arithmetic("add"), _arithmetic("sub"), _arithmetic("mul")
    __radd__, __rsub__, __rmul__ = _arithmetic("add", True), _arithmetic("sub", True), _arithmetic("mul", True)
    __truediv__, __rtruediv__ = _arithmetic("div"), _arithmetic("div", True)
    __pow__, __rpow__ = _arithmetic("pow"), _arithmetic("pow", True)
    __lt__, __le__ = _comparison("lt", float.__lt__), _comparison("le", float.__le__)
    __gt__, __ge__ = _comparison("gt", float.__gt__), _comparison("ge", float.__ge__)
    __eq__, __ne__ = _comparison("eq", float.__eq__), _comparison("ne", float.__ne__)


@contextmanager
def named(recording: Recording, bindings: list[Binding]) -> Generator[None]:
    """Within, ``bindings`` grows by every local variable that a running function gives to a result.

    Python's own line events are read, as a debugger does; a tracing function that is there is set aside meanwhile.
    """
    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: _watch(recording, bindings, frame))
    try:
        yield
    finally:
        sys.settrace(before)


def _watch(recording: Recording, bindings: list[Binding], frame: FrameType) -> Any:
    """The tracing function of one call; none for the recorder's own calls."""
    if frame.f_globals.get("__name__") in (__name__, trace.__name__):
        return None
    seen = dict(frame.f_locals)

    def look(frame: FrameType, event: str, argument: Any) -> Any:
        fresh = [(name, x) for name, x in frame.f_locals.items() if name not in seen or x is not seen[name]]
        if event in ("line", "return") and fresh:
            seen.update(fresh)
            conditions = _taken(recording, frame)
            results = [(name, x) for name, x in fresh if isinstance(x, Value | float)]
            results.sort(key=lambda pair: _place(pair[1]))
            bindings.extend(Binding(name, x, conditions, frame.f_code) for name, x in results)
        return look

    return look


def _taken(recording: Recording, frame: FrameType) -> tuple[Condition, ...]:
    """The conditions that this call has asked for since it last gave a name."""
    taken = tuple(condition for asked, condition in recording.conditions if asked is frame)
    recording.conditions = [pair for pair in recording.conditions if pair[0] is not frame]
    return taken


def _place(x: Any) -> tuple[bool, int]:
    """Where a result stands among the lines: of several names given at once the earlier result's comes first."""
    operand = getattr(x, "operand", None)
    return operand is not None and operand.kind == "line", 0 if operand is None else operand.place
