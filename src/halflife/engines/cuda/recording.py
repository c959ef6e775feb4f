"""A group's step written down as lines, apart from the numbers that it is done with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ...update import Update
from ..group_step import GroupStep
from ..memory import Rounding
from ..trace import DivergedError, Line, Operand, Trace, UntraceableError, Value

Number = Literal["float", "double"]
Format = Literal["f32", "f64", "bf16", "f16", "signed codes", "unsigned codes", "bool"]
FORMATS: dict[torch.dtype, Format] = {
    torch.float32: "f32",
    torch.float64: "f64",
    torch.bfloat16: "bf16",
    torch.float16: "f16",
    torch.bool: "bool",
}
KEPT = "kept"
"""The word of a clock's line that rounds a number to what the clocks are kept in."""
MASK = "mask"
"""What the columns of a regularizer's own tensors are called, with their place behind it."""


class Column(NamedTuple):
    """One of the tensors that a step walks along: its name in the trace, and how its numbers lie in memory.

    ``state``: the place among the rule's states, by which its random bits are chosen; -1 for what is none of them.
    """

    name: str
    format: Format
    state: int = -1


@dataclass(frozen=True)
class Recording:
    """What one coordinate's step does: all that a kernel is made of, and nothing that moves from step to step.

    ``number``: what is computed in. ``columns``: the weight "w", the gradient "g", the states, "anchor", masks,
    "kahan" and "ema", in the order of the kernel's pointers. ``inputs`` are the names of what the lines start from,
    ``results`` which operand is the new number of which column. ``coefficients``: how many numbers the lines meet.
    """

    number: Number
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    inputs: tuple[str, ...]
    results: tuple[tuple[str, Operand], ...]
    coefficients: int
    rounding: Rounding
    dithers_states: bool

    @cached_property
    def inverses(self) -> frozenset[int]:
        """The coefficients that lines divide by: whoever fills them in inverts them, and the lines multiply."""
        divisors = (line.operands[1] for line in self.lines if line.op == "div")
        return frozenset(divisor.place for divisor in divisors if divisor.kind == "coefficient")


@dataclass(frozen=True)
class ClockRecording:
    """How the numbers of a step come from the clocks of its tensors, where these are on the device.

    ``number``: what a kernel's coefficients are in, ``kept``: what the clocks are. ``names``: the clocks, the inputs
    of the lines. ``ticked`` are stored before the step, ``finished`` after it, ``coefficients`` are what the kernel is
    given, those in ``inverses`` inverted. ``given``: how many numbers the lines and coefficients take from outside.
    """

    number: Number
    kept: Number
    names: tuple[str, ...]
    lines: tuple[Line, ...]
    ticked: tuple[tuple[str, Operand], ...]
    finished: tuple[tuple[str, Operand], ...]
    coefficients: tuple[Operand, ...]
    inverses: frozenset[int]
    given: int


class Numbers(NamedTuple):
    """The numbers that a recording met: by place, and the rule's scalars after the step."""

    coefficients: list[Any]
    scalars: Mapping[str, Any]


def plain_update(update: Update) -> tuple[Update, tuple[Tensor, ...]]:
    """The update with whole numbers as floats, for a trace would bake those in, and its regularizer's tensors."""
    tensors: list[Tensor] = []
    twin = copy(update)
    object.__setattr__(twin, "rule", _floats(update.rule, None))
    object.__setattr__(twin, "regularizer", _floats(update.regularizer, tensors))
    return twin, tuple(tensors)


def _floats(part: Any, tensors: list[Tensor] | None) -> Any:
    """A rule or regularizer whose own whole numbers are floats; its tensors of many numbers are taken down."""
    if type(part) is int:
        return float(part)
    if isinstance(part, tuple):
        return tuple(_floats(x, tensors) for x in part)  # pyright: ignore[reportUnknownVariableType]
    if isinstance(part, Tensor):
        if part.dim() and tensors is not None:
            tensors.append(part)
        return part
    if not is_dataclass(part) or isinstance(part, type):
        return part
    twin = copy(part)
    for field in fields(part):
        object.__setattr__(twin, field.name, _floats(getattr(part, field.name), tensors))
    return twin


def with_inputs(part: Any, inputs: Iterator[Value | Tensor]) -> Any:
    """The regularizer with a traced number, or another tensor, in the place of each tensor of many."""
    if isinstance(part, Tensor) and part.dim():
        return next(inputs)
    if isinstance(part, tuple):
        return tuple(with_inputs(x, inputs) for x in part)  # pyright: ignore[reportUnknownVariableType]
    if not is_dataclass(part) or isinstance(part, type):
        return part
    twin = copy(part)
    for field in fields(part):
        object.__setattr__(twin, field.name, with_inputs(getattr(part, field.name), inputs))
    return twin


class only_untraceable:  # noqa: N801
    """Within, any error of a text that asks a number for what only a tensor has is an ``UntraceableError``."""

    def __enter__(self) -> None: ...

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, UntraceableError | DivergedError):
            raise UntraceableError(f"the step cannot be written down as lines: {error}") from error


def record(
    step: GroupStep,
    update: Update,
    present: Sequence[str],
    masks: int,
    clock: Mapping[str, Any],
    gradient: Any,
    trace: Trace,
) -> tuple[dict[str, Operand], Numbers]:
    """Run the four lines over one coordinate's values, as a ``plain_update`` has them.

    Args:
        step: whose lr, η and λ are met.
        update: as ``plain_update`` gives it.
        present: the names of the states, ``anchor`` among them, that are there before the step.
        masks: how many tensors of its own the regularizer has.
        clock: the step count and the rule's scalars, floats or values of another trace.
        gradient: what multiplies the gradient.
        trace: what to write to.

    Returns: what each of the columns becomes, and the numbers that were met.

    Raises ``UntraceableError`` for an operation that is no function of one coordinate's numbers.
    """
    w, g = trace.input("w"), trace.input("g")
    s: dict[str, Any] = {name: trace.input(name) for name in present}
    inputs = [trace.input(f"{MASK}{k}") for k in range(masks)]
    if masks:
        update = copy(update)
        object.__setattr__(update, "regularizer", with_inputs(update.regularizer, iter(inputs)))
    numbers: dict[str, Any] = {name: float(x) if type(x) is int else x for name, x in step.numbers.items()}
    with only_untraceable():
        new_w, new = update(clock.get("step", 0.0), w, g * gradient, {**s, **clock}, **numbers)  # type: ignore[arg-type]
    scalars = {name: x for name, x in new.items() if name in update.rule.scalars}
    if any(isinstance(x, Value) and x.trace is trace for x in scalars.values()):
        raise UntraceableError(
            f"{type(update.rule).__name__} gives a number a coordinate where one for all is declared"
        )
    results = {"w": _result(trace, new_w)}
    for name in new.keys() - scalars.keys():
        if name not in step.state_names:
            raise UntraceableError(f"{type(update.rule).__name__} gives a state {name!r} that it does not declare")
    results |= {name: _result(trace, new[name]) for name in step.state_names if name in new}
    return results, Numbers(trace.coefficients, scalars)


def _result(trace: Trace, x: Any) -> Operand:
    return trace.operand(x if isinstance(x, Value) and x.trace is trace else trace.record("fill", x))[0]
