"""Tensors and numbers as generated kernels read them: what stays on the processor, and what each step brings there.

Tensors that take the same numbers are a ``Row``: one parameter group's, in the same formats, at the same step count.
Rows whose steps are the same lines are a ``Launch``: one kernel over all of their tensors.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...rules import Scalar
from ...update import Update
from ..group_step import GroupStep
from ..layouts import TensorLayouts
from ..memory import SCALE, ParameterState
from .clock import HostClock
from .processor import Processor, kernel_of
from .recording import Recording
from .row import NUMBERS, Row, rows_of


class Table:
    """All tensors of some groups' step on one processor; it keeps none of them alive.

    ``fits`` says whether it still describes what the optimizer has: living tensors in the places and layouts that were
    entered, whether or not they are the same objects. So no pointer outlives its memory.
    """

    gradient_norm = None
    """There is no faster way to the gradients' norm than torch's own."""

    def __init__(self, steps: Sequence[GroupStep], processor: Processor) -> None:
        self.processor = processor
        params = list(chain.from_iterable(step.params for step in steps))
        grads = list(chain.from_iterable(step.grads for step in steps))
        states = list(chain.from_iterable(step.states for step in steps))
        self.begun = [_begun(step, p, s) for step in steps for p, s in zip(step.params, step.states, strict=True)]
        whole = [{**state, **begun} for state, begun in zip(states, self.begun, strict=True)]
        self.rows = rows_of(steps, whole)
        self._names = _names_by_tensor(self.rows, len(params))
        self._clock = HostClock(self.rows, states)
        self.reads_states = any(self._names) or any(row.clock_names for row in self.rows)
        held = [*params, *self._read(whole)]
        self._layouts, self._at = TensorLayouts([*held, *grads]), list(map(Tensor.data_ptr, held))
        self._grads_at = np.array(list(map(Tensor.data_ptr, grads)), np.uint64)
        self._states = states if any(self.begun) else []
        self._launches = list[Launch]()
        self._now = list[dict[str, float]]()
        self._kept: Any = None

    def _read(self, states: Iterable[ParameterState]) -> list[Tensor]:
        return [state[name] for state, names in zip(states, self._names, strict=True) for name in names]

    def fits(self, params: list[Tensor], grads: list[Tensor], states: Iterable[ParameterState]) -> bool:
        """Whether these lie as the tensors of the table do and, but for the gradients, where they do.

        Where the gradients lie now is taken note of.
        """
        states = list(states)
        if len(params) != len(self._names):
            return False
        held = [*params, *grads]
        if self.reads_states:
            try:
                held[len(params) : len(params)] = self._read(states)
                if not self._clock.fits(states):
                    return False
            except KeyError:
                return False
        if not self._layouts.of(held):
            return False
        at, n = list(map(Tensor.data_ptr, held)), len(self._at)
        if at[:n] != self._at or not all(at or not g.numel() for at, g in zip(at[n:], grads, strict=True)):
            return False
        self._grads_at = np.array(at[n:], np.uint64)
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
        self._now = [self._clock.now(row) for row in self.rows]
        changed = [row.record(clock) for row, clock in zip(self.rows, self._now, strict=True)]
        if any(changed) or not self._launches:
            self._launches = self._grouped()

    def run(self, params: list[Tensor]) -> None:
        """The step that was prepared, of every tensor, in place."""
        for row, clock in zip(self.rows, self._now, strict=True):
            self._clock.store(row, {**clock, **row.scalars})
        for state, begun in zip(self._states, self.begun, strict=False):
            state.update(begun)
        self._launch(self._now)
        if self._states:
            self._states = []
            for row in self.rows:
                row.begin()
        torch.autograd.graph.increment_version(params)

    def _grouped(self) -> list[Launch]:
        """The rows by what their steps do; a launch that is there already stays."""
        by_recording: dict[Recording, list[Row]] = {}
        for row in self.rows:
            by_recording.setdefault(row.recording, []).append(row)
        return [Launch(recording, rows, self.processor) for recording, rows in by_recording.items()]

    def _launch(self, now: Sequence[dict[str, float]]) -> None:
        """Bring this step's numbers and gradients' places to the processor in one piece, and run the kernels."""
        clocks = {id(row): clock for row, clock in zip(self.rows, now, strict=True)}
        pieces, offsets, size = list[np.ndarray[Any, Any]](), list[int](), 0
        for launch in self._launches:
            for piece in launch.pieces(clocks, self._grads_at):
                offsets.append(size)
                pieces.append(piece)
                size += -(-piece.nbytes // 16) * 16
        blob = np.empty(size, np.uint8)
        for at, piece in zip(offsets, pieces, strict=True):
            blob[at : at + piece.nbytes] = piece.view(np.uint8).reshape(-1)
        self._kept = self.processor.upload(blob)
        at = self._kept.data_ptr()
        for k, launch in enumerate(self._launches):
            launch.run([at + x for x in offsets[3 * k : 3 * k + 3]])


class Launch:
    """A kernel, and the rows that it steps: what of them stays on the processor."""

    def __init__(self, recording: Recording, rows: Sequence[Row], processor: Processor) -> None:
        self._rows, self._processor, self._recording = list(rows), processor, recording
        self._kernel = kernel_of(recording, processor)
        lengths = np.concatenate([row.lengths for row in rows])
        self._index = np.concatenate([row.index for row in rows])
        self._parts = _cut(lengths, processor.part)
        self._resident = [
            processor.upload(array)
            for array in (
                self._parts,
                np.ascontiguousarray(np.concatenate([row.pointers for row in rows], 1)),
                lengths,
                np.repeat(np.arange(len(rows), dtype=np.int32), [len(row.index) for row in rows]),
            )
        ]
        self._tensors = len(lengths)

    def pieces(self, clocks: dict[int, dict[str, float]], grads_at: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        """What a step brings: each row's numbers, its seed, and where the gradients lie."""
        numbers = np.array([row.numbers for row in self._rows], np.float64)
        with np.errstate(over="ignore", divide="ignore"):
            inverses = [*self._recording.inverses]
            numbers[:, inverses] = 1 / numbers[:, inverses]
            numbers = numbers.astype(NUMBERS[self._recording.number])
        seeds = [int(clocks[id(row)].get("step", 0.0)) * 0x632BE5AB & 0xFFFFFFFF for row in self._rows]
        return [numbers, np.array(seeds, np.uint32), grads_at[self._index]]

    def run(self, brought: Sequence[int], verdict: int = 0) -> None:
        """Launch the kernel; ``brought`` are the addresses of the ``pieces``."""
        (numbers, seeds, grads), (parts, columns, lengths, rows) = brought, (x.data_ptr() for x in self._resident)
        if len(self._parts):
            arguments = (parts, len(self._parts), columns, grads, lengths, rows, self._tensors, numbers, seeds, verdict)
            self._processor.launch(self._kernel, len(self._parts), arguments)


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


def _names_by_tensor(rows: Sequence[Row], tensors: int) -> list[tuple[str, ...]]:
    """The names in each tensor's state under which something was entered."""
    names: list[tuple[str, ...]] = [()] * tensors
    for row in rows:
        own = [x.name for x in row.columns if x.name not in ("w", "g") and not x.name.startswith("mask")]
        coded = [x.name + SCALE for x in row.columns if x.format.endswith("codes")]
        for place in row.index:
            names[place] = (*own, *coded)
    return names
