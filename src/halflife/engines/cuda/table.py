"""Tensors and numbers as generated kernels read them: what stays on the processor, and what each step brings there.

Tensors that take the same numbers are a ``Row``: one parameter group's, in the same formats, at the same step count.
Rows whose steps are the same lines are a ``Launch``: one kernel over all of their tensors.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate, chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...rules import Scalar
from ...update import Update
from ..group_step import GroupStep
from ..layouts import TensorLayouts, overlap, reader
from ..memory import SCALE, ParameterState
from .clock import ClockLaunch, DeviceClock, HostClock
from .processor import Processor, kernel_of
from .row import NUMBERS, Row, rows_of


class Table:
    """All tensors of some groups' step on one processor; it keeps none of them alive.

    ``kernel_for`` gives the kernel of rows that are the same lines, of which it is shown the first.
    ``fits`` says whether it still describes what the optimizer has: living tensors in the places and layouts that were
    entered, whether or not they are the same objects. So no pointer outlives its memory.
    """

    gradient_norm = None
    """There is no faster way to the gradients' norm than torch's own."""

    def __init__(
        self,
        steps: Sequence[GroupStep],
        processor: Processor,
        kernel_for: Callable[[Row, Processor], Any] | None = None,
    ) -> None:
        self.processor, self._kernel_for = processor, kernel_for or _untested
        params = list(chain.from_iterable(step.params for step in steps))
        grads = list(chain.from_iterable(step.grads for step in steps))
        states = list(chain.from_iterable(step.states for step in steps))
        self.begun = [_begun(step, p, s) for step in steps for p, s in zip(step.params, step.states, strict=True)]
        whole = [{**state, **begun} for state, begun in zip(states, self.begun, strict=True)]
        kind = clock_on(processor, steps)
        written = [*params, *(x for state in whole for x in state.values())]
        self._apart = overlap(written)
        self.rows = rows_of(steps, whole, kind.of, self._apart)
        names = _names_by_tensor(self.rows, len(params), clocks=kind.names_in_states)
        self._clock, self._read = kind(self.rows, states), reader(names)
        self.reads_states = any(names) or any(row.clock_names for row in self.rows)
        self._tensors = len(params)
        held = [*params, *self._read(whole)]
        self._layouts, self._at = TensorLayouts([*held, *grads]), list(map(Tensor.data_ptr, held))
        self._grads_at, self._grads = list(map(Tensor.data_ptr, grads)), np.zeros(0, np.uint64)
        self._states = states if any(self.begun) else []
        self._launches = list[Launch]()
        self._brought: tuple[np.ndarray[Any, Any], Tensor] | None = None

    @property
    def decides_on_device(self) -> bool:
        """Whether it takes a verdict that Python does not know."""
        return isinstance(self._clock, DeviceClock)

    def fits(self, params: list[Tensor], grads: list[Tensor], states: Iterable[ParameterState]) -> bool:
        """Whether these lie as the tensors of the table do and, but for the gradients, where they do.

        Where the gradients lie now is taken note of.
        """
        states = list(states)
        if len(params) != self._tensors:
            return False
        try:
            held = [*params, *(self._read(states) if self.reads_states else ()), *grads]
            kept = not self.reads_states or self._clock.fits(states)
        except KeyError:
            return False
        if not kept or not self._layouts.of(held):
            return False
        at, n = list(map(Tensor.data_ptr, held)), len(self._at)
        if at[:n] != self._at:
            return False
        if at[n:] != self._grads_at:
            if not all(at[n:]) and not all(at or not g.numel() for at, g in zip(at[n:], grads, strict=True)):
                return False
            self._grads_at, self._grads = at[n:], np.zeros(0, np.uint64)
        return True

    def fill(self, steps: Sequence[GroupStep]) -> None:
        """The numbers of these steps, one for each that the table was made of."""
        for row in self.rows:
            row.fill(steps[row.group])

    def move(self, row: int, update: Update, lr: Scalar, eta: Scalar, lam: Scalar) -> None:
        """What schedulers move in the step that has this place among those that the table was made of."""
        for own in self.rows:
            if own.group == row:
                own.fill(replace(own.step, lr=lr, eta=eta, lam=lam))

    def prepare(self, factors: Sequence[Scalar]) -> None:
        """Record the step, and compile what it needs; ``factors`` multiply the gradients, one for each step.

        Raises ``UntraceableError`` or ``KernelError`` where a kernel is needed that cannot be had. No state is touched.
        """
        for row in self.rows:
            row.factor = float(factors[row.group])
        if self._clock.prepare(self.rows) or not self._launches:
            on_device = isinstance(self._clock, DeviceClock)
            alike: dict[Any, list[Row]] = {}
            for row in self.rows:
                clock = row.clock_recording if on_device else None
                alike.setdefault(id(row) if self._apart else (row.recording, clock), []).append(row)
            kernels = [self._kernel_for(rows[0], self.processor) for rows in alike.values()]
            own = zip(alike.values(), kernels, strict=True)
            self._launches = [Launch(rows, self.processor, kernel, on_device) for rows, kernel in own]

    def run(self, params: list[Tensor], verdict: Tensor | None = None) -> None:
        """The step that was prepared, of every tensor, in place.

        ``verdict``: two float64 on the device, whether to skip and what multiplies the gradients besides the factors.
        """
        brought, places = self._bring()
        verdict = None if verdict is None else verdict.to(self.processor.device)
        verdict_at = 0 if verdict is None else verdict.data_ptr()
        for row in self.rows if self._states else ():
            for place in row.index:
                self._states[place].update(_given(self.begun[place], row.written))
        self._clock.advance()
        for launch, at in zip(self._launches, places, strict=True):
            launch.run(brought, at, verdict_at)
        if self._states:
            self._states = []
            for row in self.rows:
                row.begin()
        torch.autograd.graph.increment_version(params)

    def _bring(self) -> tuple[Tensor, list[list[int]]]:
        """This step's numbers and gradients' places, in one piece on the processor, and where in it each launch's are.

        Nothing is stored yet: what is cut off here has done no step.
        """
        if len(self._grads) < self._tensors:
            self._grads = np.array(self._grads_at, np.uint64)
        pieces = [launch.pieces(self._grads) for launch in self._launches]
        places, size = list[list[int]](), 0
        for own in pieces:
            ends = list(accumulate((-(-piece.nbytes // 16) * 16 for piece in own), initial=size))
            places.append(ends[:-1])
            size = ends[-1]
        blob = np.zeros(size, np.uint8)
        for at, piece in zip(chain.from_iterable(places), chain.from_iterable(pieces), strict=True):
            blob[at : at + piece.nbytes] = piece.view(np.uint8).reshape(-1)
        if self._brought is None or not np.array_equal(blob, self._brought[0]):  # else a graph can replay what is there
            self._brought = blob, self.processor.upload(blob)
        return self._brought[1], places


class Launch:
    """A kernel, and the rows that it steps: what of them stays on the processor."""

    def __init__(self, rows: Sequence[Row], processor: Processor, kernel: Any, on_device: bool) -> None:
        self._rows, self._processor, self._recording, self._kernel = list(rows), processor, rows[0].recording, kernel
        self._clock = ClockLaunch(rows, processor) if on_device else None
        counts, lengths = [len(row.index) for row in rows], np.concatenate([row.lengths for row in rows])
        row_of = np.arange(len(lengths)) if on_device else np.repeat(np.arange(len(rows)), counts)
        self._index = np.concatenate([row.index for row in rows])
        self._parts = _cut(lengths, processor.part)
        pointers = np.ascontiguousarray(np.concatenate([row.pointers for row in rows], 1))
        resident = self._parts, pointers, lengths, row_of.astype(np.int32)
        self._resident = [processor.upload(array) for array in resident]
        self._tensors = len(lengths)

    def pieces(self, grads_at: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        """What a step brings: with clocks on the device what their kernel is given for each row, else the numbers and
        the seeds; and where the gradients lie."""
        grads = grads_at[self._index]
        if self._clock is not None:
            given = [[0.0 if isinstance(x, Tensor) else x for x in row.numbers] for row in self._rows]
            return [np.array(given, np.float64), grads]
        numbers = np.array([row.numbers for row in self._rows], np.float64)
        with np.errstate(over="ignore", divide="ignore"):
            inverses = [*self._recording.inverses]
            numbers[:, inverses] = 1 / numbers[:, inverses]
            numbers = numbers.astype(NUMBERS[self._recording.number])
        return [numbers, np.array([row.seed for row in self._rows], np.uint32), grads]

    def run(self, brought: Tensor, places: Sequence[int], verdict: int) -> None:
        """Launch the kernels; ``places`` are those of the ``pieces`` in what was brought."""
        at = [brought.data_ptr() + place for place in places]
        if self._clock is not None:
            self._fill_tensors(brought, places[0])
            self._clock.run(at[0], verdict)
            at = [self._clock.numbers.data_ptr(), self._clock.seeds.data_ptr(), at[1]]
        (numbers, seeds, grads), (parts, columns, lengths, rows) = at, (x.data_ptr() for x in self._resident)
        if len(self._parts):
            arguments = (parts, len(self._parts), columns, grads, lengths, rows, self._tensors, numbers, seeds, verdict)
            self._processor.launch(self._kernel, len(self._parts), arguments)

    def _fill_tensors(self, brought: Tensor, place: int) -> None:
        """Put the numbers that are tensors, which Python does not read, among those that were given."""
        width = len(self._rows[0].numbers)
        for k, row in enumerate(self._rows):
            for n, x in enumerate(row.numbers):
                if isinstance(x, Tensor):
                    at = place + 8 * (k * width + n)
                    brought[at : at + 8].view(torch.float64).copy_(x.detach().reshape(1))


def _untested(row: Row, processor: Processor) -> Any:
    return kernel_of(row.recording, processor)


def _cut(lengths: np.ndarray[Any, Any], part: int) -> np.ndarray[Any, Any]:
    """Every tensor's parts: its place, and the first coordinate."""
    counts = -(-lengths // part)
    tensors = np.repeat(np.arange(len(lengths)), counts)
    first = np.arange(len(tensors)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([tensors, first * part], 1).astype(np.int64)


def _begun(step: GroupStep, p: Tensor, state: ParameterState) -> ParameterState:
    """The states that begin with this step, of zeros.

    They are put in the state when the step is made: at once, they would hide from the step after an interrupted one
    that it is the first.
    """
    begun = ParameterState()
    for name in step.state_names:
        if state.get(name) is None:
            step.memory.write_state(p, begun, name, torch.zeros_like(p.detach()), None)
    return begun


def clock_on(processor: Processor, steps: Sequence[GroupStep]) -> type[HostClock | DeviceClock]:
    """Where the clocks are: on the processor where it is a GPU, or a graph is to replay the step."""
    on_device = processor.device.type != "cpu" or any(step.mode == "capturable" for step in steps)
    return DeviceClock if on_device else HostClock


def _given(begun: ParameterState, written: frozenset[str]) -> ParameterState:
    """Those of the states that begin which the step gives."""
    return {name: x for name, x in begun.items() if name.removesuffix(SCALE) in written}


def _names_by_tensor(rows: Sequence[Row], tensors: int, clocks: bool) -> list[tuple[str, ...]]:
    """The names in each tensor's state under which something was entered."""
    names: list[tuple[str, ...]] = [()] * tensors
    for row in rows:
        own = [x.name for x in row.columns if x.name not in ("w", "g") and not x.name.startswith("mask")]
        coded = [x.name + SCALE for x in row.columns if x.format.endswith("codes")]
        for place in row.index:
            names[place] = (*own, *coded, *(row.clock_names if clocks else ()))
    return names
