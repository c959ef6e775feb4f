# pyright: reportUnknownMemberType=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
"""The same rule over lists: one ``torch._foreach_*`` call for all tensors that share device, dtype and clock.

What an update computes on the way is five or six times as large as its weights. So lists, and single tensors where
each coordinate is for itself, are cut into batches that are stepped one after the other.
"""

from __future__ import annotations

import functools
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..sharded.region import same_region
from .formats import BLOCK, wide
from .group_step import Clock, GroupStep, as_real, without_aliases
from .memory import SCALE, ParameterState

ON_CPU, ELSEWHERE = 1 << 20, 1 << 25
"""Bytes of weights, as they are computed with, that are stepped at once: so that what arises then stays in a CPU's
cache, which has its memory again and again, and in some 256 MB elsewhere, where every call costs a launch."""


class Row(NamedTuple):
    """One tensor, or a piece of one that begins at coordinate ``at``, with its gradient, state and clock."""

    p: Tensor
    g: Tensor
    state: ParameterState
    clock: Clock
    at: int = 0


def run(step: GroupStep) -> None:
    """One step of every parameter of the group, in place."""
    for rows in alike(step).values():
        for batch in batches(rows):
            if len(batch) == 1 and _bytes(batch[0].p) > most_at_once(batch[0].p) and _may_be_cut(step, batch[0]):
                _step_in_pieces(step, batch[0])
            else:
                _step(step, batch)
            _average(step, batch)


def alike(step: GroupStep) -> dict[Any, list[Row]]:
    """The parameters that can go in one list: same device, dtype and states and, read as numbers, same clock.

    Of one shape too where a rule takes tensors as wholes: it may ask for that.
    """
    buckets: dict[Any, list[Row]] = defaultdict(list)
    whole = step.update.rule.acts_on != "coordinates"
    for p, g, state in zip(step.params, step.grads, step.states, strict=True):
        clock = step.read_clock(state)
        times = tuple(clock.values()) if step.mode == "plain" else ()
        dtypes = tuple((name, state[name].dtype) for name in step.known(state))
        buckets[p.device, p.dtype, g.dtype, dtypes, times, p.shape if whole else None].append(Row(p, g, state, clock))
    return buckets


def _bytes(p: Tensor) -> int:
    return p.numel() * wide(p.dtype).itemsize


def most_at_once(p: Tensor) -> int:
    """How many bytes go in one batch where this tensor is."""
    return ON_CPU if p.is_cpu else ELSEWHERE


def batches(rows: list[Row]) -> Iterator[list[Row]]:
    """Neighbours of at most so many bytes together; a larger tensor by itself."""
    batch, size, most = list[Row](), 0, most_at_once(rows[0].p)
    for row in rows:
        if batch and size + _bytes(row.p) > most:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += _bytes(row.p)
    yield batch


def _may_be_cut(step: GroupStep, row: Row) -> bool:
    """Whether pieces of the flat tensor step as the whole does: nothing in rule or regularizer knows its place."""
    update = step.update
    alone = (
        update.rule.acts_on == "coordinates" and update.regularizer.separable and not _knows_places(update.regularizer)
    )
    held = [row.p, row.g, *(row.state[name] for name in ("kahan", *step.known(row.state)) if name in row.state)]
    return (
        alone and step.mode != "differentiable" and all(x.layout == torch.strided and x.is_contiguous() for x in held)
    )


def _knows_places(setting: Any) -> bool:
    """Whether a regularizer has a number for each coordinate, as a mask has."""
    if isinstance(setting, Tensor):
        return setting.dim() > 0
    listed = isinstance(setting, tuple | list)
    return any(_knows_places(part) for part in (setting if listed else getattr(setting, "__dict__", {}).values()))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _step_in_pieces(step: GroupStep, row: Row) -> None:
    """One tensor, stepped piece by piece; each piece has views of the states, and copies of the single numbers."""
    size = max(1, most_at_once(row.p) // wide(row.p.dtype).itemsize // BLOCK) * BLOCK
    p, g, made = row.p.detach().view(-1), row.g.detach().view(-1), ParameterState()
    clocks = [name for name in step.clock_names() if row.state.get(name) is not None]
    kept = [name for name in ("anchor", "kahan", *step.state_names) if row.state.get(name) is not None]
    for at in range(0, p.numel(), size):
        views = {name: row.state[name].view(-1)[at : at + size] for name in kept}
        coded = [name + SCALE for name in kept if row.state[name].dtype is torch.uint8]
        views |= {name: row.state[name][at // BLOCK : (at + size) // BLOCK] for name in coded}
        state: ParameterState = {**views, **{name: row.state[name].clone() for name in clocks}}
        clock: Clock = {name: state[name] if isinstance(x, Tensor) else x for name, x in row.clock.items()}
        part = p[at : at + size]
        same_region(part, row.p)
        _step(step, [Row(part, g[at : at + size], state, clock, at)])
        for name in (name for name in state if name not in clocks and state[name] is not views.get(name)):
            scales = name.removesuffix(SCALE) in state and name.endswith(SCALE)
            shape, first = ((-(-p.numel() // BLOCK),), at // BLOCK) if scales else (row.p.shape, at)
            made.setdefault(name, state[name].new_empty(shape))
            made[name].view(-1)[first : first + state[name].numel()] = state[name]
        made.update({name: state[name] for name in step.update.rule.scalars})
    for name, x in made.items():
        if name in clocks:
            row.state[name].copy_(x)
        else:
            row.state[name] = x


def _step(step: GroupStep, rows: list[Row]) -> None:
    as_is = step.as_is(rows[0].p, rows[0].state)
    w, g, s = _lists(step, rows, as_is)
    w_new, new = step.update(s.get("step", 0.0), w, g, s, **step.numbers)  # type: ignore[arg-type]
    _store(step, rows, s, new, as_is)
    _put(step, rows, w_new, as_is)  # type: ignore[arg-type]


def directions(step: GroupStep, rows: list[Row]) -> list[Tensor]:
    """The rule's direction of each, its states moved on; the weights stay."""
    as_is = step.as_is(rows[0].p, rows[0].state)
    w, g, s = _lists(step, rows, as_is)
    u, _, new = step.update.rule(s.get("step", 0.0), w, g, s)  # type: ignore[arg-type]
    _store(step, rows, s, new, as_is)
    return u.tensors  # type: ignore[attr-defined]


def _lists(step: GroupStep, rows: list[Row], as_is: bool) -> tuple[TensorList, TensorList, Any]:
    """Weights, gradients and states of all rows, as they are computed with."""
    w = TensorList([step.weights(row.p, row.state, as_is) for row in rows])
    g = step.scaled(TensorList([step.gradient_of(row.p, row.g, as_is) for row in rows]), rows[0].p.device)
    states: Any = [step.states_of(row.p, row.state, as_is) for row in rows]
    s: Any = {name: TensorList([state[name] for state in states]) for name in states[0]}
    clocks = {name: TensorList([row.clock[name] for row in rows]) for name in rows[0].clock}  # type: ignore[misc]
    return w, g, s | (rows[0].clock if step.mode == "plain" else clocks)


def _store(step: GroupStep, rows: list[Row], s: Any, new: Any, as_is: bool) -> None:
    for name, x in without_aliases(new, s).items():
        if as_is and isinstance(x, TensorList) and isinstance(s.get(name), TensorList):
            torch._foreach_copy_(s[name].tensors, x.tensors)
        else:
            for i, row in enumerate(rows):
                own = {name: x.tensors[i] if isinstance(x, TensorList) else x}
                step.store(row.p, row.state, own, row.clock, as_is, row.at)


def _put(step: GroupStep, rows: list[Row], w: TensorList, as_is: bool) -> None:
    if as_is or step.memory.rounding == "nearest":
        torch._foreach_copy_([as_real(row.p) for row in rows], w.tensors)
    else:
        for row, x in zip(rows, w.tensors, strict=True):
            step.put(row.p, row.state, x, row.clock, as_is, row.at)


def _average(step: GroupStep, rows: list[Row]) -> None:
    if step.ema_decay is not None:
        averages: list[Tensor] = [row.state["ema"] for row in rows]
        weights = [row.p.to(average.dtype) for row, average in zip(rows, averages, strict=True)]
        torch._foreach_lerp_(averages, weights, 1 - step.ema_decay)


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
        """``torch.f(…)`` with a list among its arguments, tensor by tensor; at once of those that f takes stacked."""
        named: dict[str, Any] = kwargs or {}
        if hasattr(f, "stacks_up_to") and args[0].shape.numel() <= f.stacks_up_to:
            return TensorList(f(torch.stack(args[0].tensors), *args[1:], **named).unbind())
        length = next(len(a.tensors) for a in (*args, *named.values()) if isinstance(a, TensorList))
        rows = ((tuple(_at(a, i) for a in args), {n: _at(a, i) for n, a in named.items()}) for i in range(length))
        return TensorList([f(*row, **names) for row, names in rows])

    def __getattr__(self, name: str) -> Callable[..., TensorList]:
        method: Any = None if name.startswith("__") else getattr(Tensor, name, None)
        if not inspect.isroutine(method):
            raise AttributeError(f"TensorList has no {name!r}")
        return functools.partial(self.map, method)

    @property
    def dtype(self) -> torch.dtype:
        return self._common("dtype")

    @property
    def shape(self) -> torch.Size:
        return self._common("shape")

    def dim(self) -> int:
        return len(self.shape)

    def _common(self, name: str) -> Any:
        """What all of them have."""
        found = {getattr(x, name) for x in self.tensors}
        if len(found) != 1:
            raise AttributeError(f"TensorList has no {name!r}: its tensors have several")
        return found.pop()

    def __bool__(self) -> bool:
        """No list is one truth: what asks for it, ``max`` or an ``if``, is not written for many tensors."""
        raise TypeError(
            "many tensors are neither true nor false together; write where(), clamp() or maximum() instead."
        )

    def _each(self, kernel: Callable[..., Sequence[Tensor]], other: Operand, **scale: Any) -> TensorList:
        return TensorList(kernel(self.tensors, other.tensors if isinstance(other, TensorList) else other, **scale))

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

    def __matmul__(self, other: Operand) -> TensorList:
        return self.map(torch.matmul, other)

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

    def __invert__(self) -> TensorList:
        return self.map(torch.bitwise_not)

    def __and__(self, other: Operand) -> TensorList:
        return self.map(torch.bitwise_and, other)

    def __or__(self, other: Operand) -> TensorList:
        return self.map(torch.bitwise_or, other)

    def __xor__(self, other: Operand) -> TensorList:
        return self.map(torch.bitwise_xor, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def add(self, other: Operand, alpha: float = 1) -> TensorList:
        return self._each(torch._foreach_add, other, alpha=alpha)

    def sqrt(self) -> TensorList:
        return TensorList(torch._foreach_sqrt(self.tensors))

    def abs(self) -> TensorList:
        return TensorList(torch._foreach_abs(self.tensors))

    def sign(self) -> TensorList:
        return TensorList(torch._foreach_sign(self.tensors))

    def lerp(self, other: TensorList, weight: float) -> TensorList:
        return self._each(torch._foreach_lerp, other, weight=weight)

    def maximum(self, other: Operand) -> TensorList:
        return self._each_tensor(torch._foreach_maximum, other)

    def clamp(self, min: float | None = None, max: float | None = None) -> TensorList:
        raised = self.tensors if min is None else torch._foreach_clamp_min(self.tensors, min)
        return TensorList(raised if max is None else torch._foreach_clamp_max(raised, max))


def _at(operand: Operand, i: int) -> Any:
    return operand.tensors[i] if isinstance(operand, TensorList) else operand
