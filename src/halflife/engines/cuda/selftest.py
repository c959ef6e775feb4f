"""A kernel's first use on a processor: some small tensors are stepped by it, and beside it by foreach.

Lengths about a block and a part, a tensor that begins in the middle of a load, zeros, subnormal numbers, NaN and
infinities; three steps, each of which begins where foreach's last one ended.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .. import foreach
from ..formats import BLOCK
from ..group_step import GroupStep
from ..memory import SCALE, ParameterState
from . import cache as disk
from .clock import DeviceClock
from .processor import KernelError, Processor, kernel_of
from .recording import FORMATS, Column, Recording, plain_update, with_inputs
from .row import Row
from .table import Table, clock_on
from .text import kernel_text, source

Array = np.ndarray[Any, Any]
KernelFor = Callable[[Row, Processor], Any]

RIGHT = "right"
STEPS, SEEDS, FACTOR = 3, (1, 2), -1.5
TOLERANCE = {"f32": 2.5e-6, "f64": 1e-12, "bf16": 2.5e-6, "f16": 2.5e-6}
"""How far two numbers may be apart, as a share of the larger one or of what is usual in their column."""

OFF = 0.02
"""The share of a tensor's numbers in half precision, or codes, that may be rounded to the neighbour of foreach's."""

_VISIBLE = {"lr": 0.1, "eta": 0.7, "lam": 0.3}
_DTYPES = {name: dtype for dtype, name in FORMATS.items()}
_verdicts: dict[tuple[str, torch.device, Recording], str] = {}


def tested_kernel(row: Row, processor: Processor) -> Any:
    """The kernel of a row's step, compiled and found right: once for each kernel, which is remembered on disk.

    Raises ``KernelError`` if it cannot be had, or differs from foreach, each time.
    """
    kernel, key = kernel_of(row.recording, processor), (processor.name, processor.device, row.recording)
    if key not in _verdicts:
        _verdicts[key] = _remembered(row, processor)
    if _verdicts[key] != RIGHT:
        raise KernelError(_verdicts[key])
    return kernel


def _remembered(row: Row, processor: Processor) -> str:
    """What ``examine`` finds, and on disk that it was right: what was not may be foreach's trouble, gone tomorrow."""
    text = source(kernel_text(row.recording), processor.part)
    key = ("self-test", torch.__version__, processor.name, str(processor.device), *processor.key, text)

    def make(to: Any) -> None:
        why = examine(row, processor)
        if why != RIGHT:
            raise KernelError(why)
        to.write_text(RIGHT, encoding="utf-8")

    try:
        disk.artifact(key, disk.TESTED, make)
    except KernelError as error:
        return str(error)
    except OSError:
        return examine(row, processor)
    return RIGHT


def examine(row: Row, processor: Processor) -> str:
    """``RIGHT``, or in what a row's kernel differs from foreach, in two trials from different numbers.

    A number that lies at a threshold may fall to either side of it, which the other trial does not repeat.
    """
    why = None
    for seed in SEEDS:
        try:
            with torch.no_grad():
                why = _trial(row, processor, seed)
        except Exception as error:  # whatever a rule of somebody else's raises
            why = f"cannot be made ({type(error).__name__}: {error})"
        if why is None:
            return RIGHT
    return f"the self-test of its kernel for {type(row.step.update.rule).__name__} {why}"


def _trial(row: Row, processor: Processor, seed: int) -> str | None:
    numbers: dict[str, Any] = row.step.numbers
    visible = {name: _VISIBLE[name] if type(x) is float and x else x for name, x in numbers.items()}
    for own in (visible, numbers):
        kernel = _Side(replace(row.step, **own), row, processor, seed)
        table = Table(kernel.steps, processor)
        table.prepare([FACTOR] * len(kernel.steps))
        if _is_of(table, row.recording):
            return _compared(kernel, table, row, seed)
    return "makes another step than the one that it is asked about"


def _is_of(table: Table, recording: Recording) -> bool:
    return all(row.recording == recording for row in table.rows)


def _compared(kernel: _Side, table: Table, row: Row, seed: int) -> str | None:
    """Some steps of both; another kernel that a later one needs is not the one that is asked about."""
    beside = kernel.twin()
    for k in range(STEPS):
        if k:
            kernel.give_gradients(seed, k)
            beside.g.copy_(kernel.g)
            try:
                table.prepare([FACTOR] * len(kernel.steps))
            except KernelError:
                return None
            if not _is_of(table, row.recording):
                return None
        table.run(kernel.params)
        for step in beside.steps:
            foreach.run(step)
        for found in _differences(kernel, beside, row.columns, row.clock_names):
            return f"finds, in step {k + 1}, {found}"
        kernel.take(beside)
    return None


class _Side:
    """The tensors of one of the two, and their step as one group, or one a tensor where the regularizer has its own."""

    def __init__(self, step: GroupStep, row: Row, processor: Processor, seed: int) -> None:
        self.processor = processor
        self.lengths = (1, 3, BLOCK - 1, BLOCK, BLOCK + 1, processor.part + BLOCK + 5)
        self.places = np.cumsum([0, *(-(-n // 64) * 64 + 64 for n in self.lengths)]).tolist()
        self.places[4] += 1  # no load of several numbers fits there
        formats = {column.name: column.format for column in row.columns}
        new = partial(torch.zeros, self.places[-1], device=processor.device)
        self.w, self.g = new(dtype=_DTYPES[formats["w"]]), new(dtype=_DTYPES[formats["g"]])
        self.states = [ParameterState() for _ in self.lengths]
        self._enter(step)
        self._draw(self.w, seed, STEPS)
        self.give_gradients(seed, STEPS + 1)
        for own in self.steps:
            self._begin(own, row)
        self._draw(self.w, seed, STEPS)
        self.give_gradients(seed, 0)
        for x, first in ((self.g, 7), (self.w, 90)):
            for place in (self.places[2], self.places[5]):
                for k, value in enumerate((float("nan"), float("inf"), float("-inf"))):
                    x[place + first + 11 * k] = value

    def _enter(self, step: GroupStep) -> None:
        self.params, grads = ([x[at : at + n] for at, n in self._spans()] for x in (self.w, self.g))
        whole = replace(step, params=self.params, grads=grads, states=self.states, gradient=FACTOR)
        _, masks = plain_update(step.update)
        self.steps = [whole] if not masks else [_with_masks(whole.part([i]), masks) for i in range(len(self.params))]

    def _spans(self) -> Iterator[tuple[int, int]]:
        return zip(self.places, self.lengths, strict=False)

    def give_gradients(self, seed: int, k: int) -> None:
        """Other gradients."""
        self._draw(self.g, seed, STEPS + 2 + k)

    def _draw(self, x: Tensor, seed: int, k: int) -> None:
        """Normal numbers that repeat themselves, with zeros and subnormal ones among them."""
        drawn = np.random.default_rng([seed, k]).standard_normal(1021)
        drawn[k % 7 :: 37], drawn[3 + k % 7 :: 101] = 0.0, torch.finfo(x.dtype).tiny / 4
        x.copy_(torch.from_numpy(np.resize(drawn, len(x))))

    def _begin(self, step: GroupStep, row: Row) -> None:
        """States as the row finds them, which for some takes a first step."""
        on_device = clock_on(self.processor, [step]) is DeviceClock
        place = (
            self.w.device if on_device else torch.device("cpu"),
            torch.float64 if self.w.dtype is torch.float64 else torch.float32,
        )
        for p, state in zip(step.params, step.states, strict=True):
            step.begin(p, state, place)
        if row.present - step.states[0].keys():
            foreach.run(step)
        for state in step.states:
            for name in {*step.state_names} - row.present:
                state.pop(name, None)
                state.pop(name + SCALE, None)
            for name, x in row.clock.items():
                state[name].fill_(x)
            for column in row.columns:
                if column.name in state and not column.format.endswith("codes"):
                    state[column.name] = state[column.name].to(_DTYPES[column.format])

    def twin(self) -> _Side:
        """The same numbers in other memory."""
        twin = copy(self)
        twin.w, twin.g = self.w.clone(), self.g.clone()
        twin.states = [{name: x.clone() for name, x in state.items()} for state in self.states]
        twin.params, grads = ([x[at : at + n] for at, n in self._spans()] for x in (twin.w, twin.g))
        own = iter(zip(twin.params, grads, twin.states, strict=True))
        twin.steps = []
        for step in self.steps:
            params, grads, states = zip(*(next(own) for _ in step.params), strict=True)
            twin.steps.append(replace(step, params=params, grads=grads, states=states))
        return twin

    def take(self, other: _Side) -> None:
        """Go on from the other's weights and states."""
        self.w.copy_(other.w)
        for own, theirs in zip(self.states, other.states, strict=True):
            for name, x in theirs.items():
                own[name].copy_(x)

    def column(self, name: str) -> Tensor:
        """A column of all tensors, one behind the other."""
        tensors = self.params if name == "w" else [state[name] for state in self.states]
        return torch.cat([x.reshape(-1) for x in tensors]).cpu()

    def scales(self, name: str) -> Tensor:
        """The scale of each of a column's codes."""
        own = zip(self.states, self.lengths, strict=True)
        return torch.cat([state[name + SCALE].repeat_interleave(BLOCK)[:n] for state, n in own]).cpu()

    def clocks(self, name: str) -> Tensor:
        """The step counts, or a scalar of the rule's, of all tensors."""
        return torch.stack([state[name] for state in self.states]).cpu()


def _with_masks(step: GroupStep, masks: Sequence[Tensor]) -> GroupStep:
    """The step of one tensor with a regularizer whose own tensors are as long."""
    update, n = copy(step.update), step.params[0].numel()
    drawn = [torch.from_numpy(np.random.default_rng([n, k]).uniform(0.5, 1.5, n)) for k in range(len(masks))]
    own = [x > 1 if mask.dtype is torch.bool else x for x, mask in zip(drawn, masks, strict=True)]
    tensors = iter([x.to(step.params[0].device, mask.dtype) for x, mask in zip(own, masks, strict=True)])
    object.__setattr__(update, "regularizer", with_inputs(update.regularizer, tensors))
    return replace(step, update=update)


class _Pair(NamedTuple):
    """A column of both sides as it is compared."""

    name: str
    format: str
    kernel: Tensor
    foreach: Tensor
    tolerance: float

    def wrong_and_off(self) -> tuple[Array, Array]:
        """Which numbers are others, and which are rounded to the neighbour of what they should be."""
        x, y = self.kernel.double().numpy(), self.foreach.double().numpy()
        wrong = ~_close(x, y, self.tolerance)
        if self.format in ("f32", "f64"):
            return wrong, np.zeros_like(wrong)
        apart = np.abs(_rank(self.kernel, self.format) - _rank(self.foreach, self.format))
        near = (apart <= 1) & (np.isnan(x) == np.isnan(y))
        return wrong & ~near, wrong & near


def _close(x: Array, y: Array, tolerance: float) -> Array:
    """Whether numbers are the same but for their last digits: NaN where NaN is, and infinity where infinity."""
    sizes, finite = np.abs(y), np.isfinite(y)
    counted = sizes[finite & (y != 0)]
    usual = np.median(counted[:1021]) if len(counted) else 0.0  # all of them, for they repeat themselves
    with np.errstate(invalid="ignore"):
        near = np.abs(x - y) <= tolerance * np.maximum(sizes, usual)
    return (x == y) | (np.isnan(x) & np.isnan(y)) | (near & np.isfinite(x) & finite)


def _rank(x: Tensor, form: str) -> Array:
    """The places of numbers in half precision, or of codes, in the order of what they stand for."""
    coded = form.endswith("codes")
    bits = x.numpy().astype(np.int32) if coded else x.view(torch.int16).numpy().astype(np.int32) & 0xFFFF
    sign = 0x80 if coded else 0x8000
    return bits if form == "unsigned codes" else np.where(bits >= sign, sign - bits, bits)


def _pairs(kernel: _Side, beside: _Side, columns: Sequence[Column]) -> Iterator[_Pair]:
    """What is compared. Codes under a scale that is not finite stand for nothing.

    What was rounded to a neighbour has another rest, so that weights and rests are compared together, and an average
    where the weights are the same.
    """
    w, w_beside = kernel.column("w"), beside.column("w")
    for name, form, _ in columns:
        if name != "w" and name not in beside.states[0]:
            continue  # the gradient, a mask
        x, y = kernel.column(name), beside.column(name)
        if form.endswith("codes"):
            own, theirs = kernel.scales(name), beside.scales(name)
            yield _Pair(name + SCALE, "f32", own, theirs, TOLERANCE["f32"])
            yield _Pair(name, form, x.masked_fill(~theirs.isfinite(), 0), y.masked_fill(~theirs.isfinite(), 0), 0.0)
        elif name == "kahan":
            yield _Pair("w + kahan", "f32", w.float() + x.float(), w_beside.float() + y.float(), 8 * TOLERANCE["f32"])
        else:
            yield _Pair(name, form, torch.where(w == w_beside, x, y) if name == "ema" else x, y, TOLERANCE[form])


def _differences(kernel: _Side, beside: _Side, columns: Sequence[Column], clocks: Sequence[str]) -> Iterator[str]:
    """What of a step came out otherwise, in words that go on from "finds, in step 1, "."""
    for name in clocks:
        x, y = kernel.clocks(name), beside.clocks(name)
        tolerance = TOLERANCE["f64" if x.dtype is torch.float64 else "f32"]
        if not _close(x.double().numpy(), y.double().numpy(), tolerance).all():
            yield f"the state {name!r} at {x[0]:.9g} where foreach has it at {y[0]:.9g}"
    tail = BLOCK + 5
    sizes = [*kernel.lengths[:-1], kernel.lengths[-1] - tail, tail]
    for pair in _pairs(kernel, beside, columns):
        wrong, off = pair.wrong_and_off()
        at = 0
        for k, n in enumerate(sizes):
            bad, few = wrong[at : at + n], off[at : at + n]
            whole, first = (
                kernel.lengths[min(k, len(kernel.lengths) - 1)],
                at - sum(kernel.lengths[:k]) if k == 6 else 0,
            )
            if bad.any():
                place = int(bad.argmax())
                yield _figures(pair, whole, at + place, first + place)
            if int(few.sum()) > max(2, OFF * n):
                yield f"{int(few.sum())} of {n} {pair.format} numbers of {pair.name!r} off by one ({whole} in all)"
            at += n


def _figures(pair: _Pair, length: int, at: int, place: int) -> str:
    x, y = pair.kernel[at].item(), pair.foreach[at].item()
    return f"{x:.9g} in {pair.name!r} ({pair.format}) at {place} of {length} numbers, where foreach has {y:.9g}"
