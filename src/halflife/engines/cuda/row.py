"""The tensors of a parameter group that take the same numbers, and their step as it was recorded."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..formats import HALF, wide
from ..group_step import GroupStep
from ..memory import SCALE, ParameterState
from ..trace import DivergedError, Operand, Replay, Trace, UntraceableError
from .recording import (
    FORMATS,
    KEPT,
    MASK,
    ClockRecording,
    Column,
    Number,
    Numbers,
    Recording,
    only_untraceable,
    plain_update,
    record,
)

NUMBERS = {"float": np.dtype(np.float32), "double": np.dtype(np.float64)}


class Row:
    """Some tensors of one step; ``index``: their places among all of the table's.

    ``record`` runs the four lines with this step's numbers, after which ``recording`` says what a kernel is made of,
    ``numbers`` what it is given and ``scalars`` what the rule's own become; ``record_on_device`` does, where the clocks
    are there (at ``clocks``, in the format ``kept``), and then ``numbers`` are what ``clock_recording`` is given.
    ``changes`` counts how often its numbers were others than before, ``clock`` is what it was before the step.
    """

    recording: Recording
    clock_recording: ClockRecording

    def __init__(self, group: int, step: GroupStep, columns: tuple[Column, ...], present: frozenset[str]) -> None:
        self.group, self.columns, self.present, self.factor = group, columns, present, 1.0
        self.changes, self.seed = 0, 0
        self.kept: Number = "float"
        self.clocks = np.zeros((0, 0), np.uint64)
        self.step = replace(step, params=(), grads=(), states=())
        self.index = np.zeros(0, np.int64)
        self.lengths = np.zeros(0, np.int64)
        self.pointers = np.zeros((0, 0), np.uint64)
        self._update, self.masks = plain_update(step.update)
        self._replay: Replay | None = None
        self.clock: Mapping[str, float] = {}
        self._results = dict[str, Operand]()
        self.numbers: list[float] = []
        self.scalars: Mapping[str, float] = {}

    @property
    def clock_names(self) -> tuple[str, ...]:
        """The states of one number that these tensors have."""
        step, half = self.step, self.columns[0].format in ("bf16", "f16")
        counts = step.update.rule.counts_steps or step.memory.needs_clock(torch.float16 if half else torch.float32)
        return (*(("step",) if counts else ()), *step.update.rule.scalars)

    def key(self, clock: Any) -> tuple[Any, ...]:
        """What the tensors of a row have in common."""
        return (self.columns, self.present, clock)

    def ticked(self, clock: Mapping[str, Any], kept: Callable[[Any], Any]) -> dict[str, Any]:
        """The rule's scalars, moved on to the step of this clock, as they are when they are ``kept``."""
        scalars = {name: x for name, x in clock.items() if name != "step"}
        moved = self.step.update.rule.tick(clock["step"], scalars) if scalars else {}
        return {name: kept(moved[name]) for name in scalars}

    def enter(self, tensors: Sequence[tuple[int, Tensor, ParameterState]]) -> None:
        """The tensors by their places, and where what is theirs lies."""
        self.index = np.array([place for place, _, _ in tensors], np.int64)
        self.lengths = np.array([p.numel() for _, p, _ in tensors], np.int64)
        self.pointers = np.array([self._pointers(p, state) for _, p, state in tensors], np.uint64).T

    def _pointers(self, p: Tensor, state: ParameterState) -> list[int]:
        at = {"w": p.data_ptr(), "g": 0, **{f"{MASK}{k}": x.data_ptr() for k, x in enumerate(self.masks)}}
        own = [at[x.name] if x.name in at else state[x.name].data_ptr() for x in self.columns]
        return [*own, *(state[x.name + SCALE].data_ptr() for x in self.columns if x.format.endswith("codes"))]

    def fill(self, step: GroupStep) -> None:
        """Another step's numbers, of the same words."""
        self.changes += 1
        if step.update is not self.step.update:
            self._update, self.masks = plain_update(step.update)
        self.step = replace(step, params=(), grads=(), states=())

    def begin(self) -> None:
        """The states that the step before began with are there now."""
        self.present |= self.written
        self._replay = None
        self.changes += 1

    @property
    def written(self) -> frozenset[str]:
        """The states that a step gives, as it was recorded."""
        return frozenset(self._results) - {"w"}

    def record(self, clock: Mapping[str, float]) -> bool:
        """Run the lines; whether they are others than before. Raises ``UntraceableError``, having changed nothing."""
        if self._replay is not None:
            try:
                self._replay.again()
                results, numbers = self._run(clock, self._replay)
                if self._replay.finished and results == self._results:
                    self.numbers, self.scalars = numbers
                    return False
            except DivergedError:
                pass
        trace = Trace(numbers=False)
        results, numbers = self._run(clock, trace)
        self.recording = self._recording(trace, results)
        self._replay, self._results = Replay(trace), results
        self.numbers, self.scalars = numbers
        return True

    def record_on_device(self, kept: Number) -> bool:
        """Run the lines and those of the clock, which is on the device in that format; whether any are others."""
        clock = Trace(numbers=False)
        self.clock = {"step": 5.0} if "step" in self.clock_names else {}  # nobody knows
        now: dict[str, Any] = {name: clock.input(name) for name in self.clock_names}
        with only_untraceable():
            ticked = self.ticked(now, lambda x: clock.record(KEPT, x))
        trace = Trace(numbers=False, clock=clock)
        results, numbers = self._run({**now, **ticked}, trace)
        old = getattr(self, "recording", None), getattr(self, "clock_recording", None)
        self.recording, self._results = self._recording(trace, results), results
        finished = {name: clock.operand(x)[0] for name, x in numbers.scalars.items()}
        self.clock_recording = ClockRecording(
            number=self.recording.number,
            kept=kept,
            names=self.clock_names,
            ticked=tuple((name, x.operand) for name, x in ticked.items()),
            finished=tuple(finished.items()),
            coefficients=tuple(clock.operand(x)[0] for x in numbers.coefficients),
            lines=tuple(clock.lines),
            inverses=self.recording.inverses,
            given=len(clock.coefficients),
        )
        self.numbers = clock.coefficients
        return old != (self.recording, self.clock_recording)

    def _run(self, clock: Mapping[str, Any], trace: Trace) -> tuple[dict[str, Operand], Numbers]:
        present = [x for x in (*self.step.state_names, "anchor") if x in self.present]
        results, numbers = record(self.step, self._update, present, len(self.masks), clock, self.factor, trace)
        d = self.step.ema_decay
        return results, numbers if d is None else numbers._replace(coefficients=[*numbers.coefficients, 1 - d])

    def _recording(self, trace: Trace, results: dict[str, Operand]) -> Recording:
        names = {column.name for column in self.columns}
        if not results.keys() <= names:
            raise UntraceableError(f"the states {sorted(results.keys() - names)} have no memory")
        return Recording(
            number="double" if self.columns[0].format == "f64" else "float",
            columns=self.columns,
            lines=tuple(trace.lines),
            inputs=tuple(trace.inputs),
            results=tuple(results.items()),
            coefficients=len(trace.coefficients) + (self.step.ema_decay is not None),
            rounding=self.step.memory.rounding if self.columns[0].format in ("bf16", "f16") else "nearest",
            dithers_states=self.step.memory.dithers_states,
        )


def rows_of(
    steps: Sequence[GroupStep],
    states: Sequence[ParameterState],
    clock_of: Callable[[Row, ParameterState], Any],
    apart: bool,
) -> list[Row]:
    """The rows of these steps; ``states`` are those of all tensors, with what begins in this step among it.

    ``clock_of``: what of a tensor's clock must be the same for all of a row; ``apart``: a row for each tensor.
    """
    rows: list[Row] = []
    place = 0
    for group, step in enumerate(steps):
        alike: dict[Any, tuple[Row, list[tuple[int, Tensor, ParameterState]]]] = {}
        for p, g, there in zip(step.params, step.grads, step.states, strict=True):
            row = Row(group, step, columns_of(step, p, g, states[place]), present_in(step, there))
            key = place if apart else row.key(clock_of(row, states[place]))
            alike.setdefault(key, (row, []))[1].append((place, p, states[place]))
            place += 1
        for row, tensors in alike.values():
            row.enter(tensors)
            rows.append(row)
    return rows


def present_in(step: GroupStep, state: ParameterState) -> frozenset[str]:
    """What the rule and the regularizer find in a state when its step is made."""
    begun = {spec.name for spec in step.update.rule.states if spec.begins == "before the first step"}
    anchor = {"anchor"} if step.update.regularizer.anchored else set[str]()
    return frozenset({*step.known(state), *(begun & {*step.state_names}), *anchor})


def columns_of(step: GroupStep, p: Tensor, g: Tensor, state: ParameterState) -> tuple[Column, ...]:
    """What a tensor's step walks along; states that are missing are taken for what they will be."""
    columns = [Column("w", FORMATS[p.dtype]), Column("g", FORMATS[g.dtype])]
    for k, name in enumerate(step.state_names):
        signed = "signed codes" if step.memory.signed(name) else "unsigned codes"
        kept = step.memory.dtype_of_states(p) if state.get(name) is None else state[name].dtype
        columns.append(Column(name, FORMATS.get(kept, signed), k))
    if step.update.regularizer.anchored:
        columns.append(Column("anchor", FORMATS[p.dtype]))
    _, masks = plain_update(step.update)
    columns += [Column(f"{MASK}{k}", FORMATS[mask.dtype]) for k, mask in enumerate(masks)]
    if step.memory.rounding == "kahan" and p.dtype in HALF:
        columns.append(Column("kahan", FORMATS[p.dtype]))
    if step.ema_decay is not None:
        columns.append(Column("ema", FORMATS[wide(p.dtype)]))
    return tuple(columns)
