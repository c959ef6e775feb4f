"""The step counts and the rules' own scalars of a table: one number for all coordinates of a tensor."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..memory import ParameterState
from .processor import Processor, kernel_of
from .recording import Number
from .row import Row

SEED = 0x632BE5AB


class HostClock:
    """The clocks as numbers of Python. Those of a row lie in one buffer a name; each tensor's state has a view of one.

    A thousand additions to tensors of one number take milliseconds, and one to a thousand of them a microsecond.
    """

    names_in_states = False
    """Whether the table is to look where the clocks lie: their own views say so here."""

    def __init__(self, rows: Sequence[Row], states: Sequence[ParameterState]) -> None:
        self._buffers: dict[int, dict[str, Tensor]] = {}
        self._kept = list[tuple[str, list[int], list[int]]]()
        for row in rows:
            own, places = self._buffers.setdefault(id(row), {}), row.index.tolist()
            for name in row.clock_names:
                own[name] = torch.stack([states[place][name].detach().reshape(()) for place in places])
                views = list(own[name].unbind())
                for place, view in zip(places, views, strict=True):
                    states[place][name] = view
                self._kept.append((name, places, list(map(Tensor.data_ptr, views))))
        self._arrays = {key: {name: x.numpy() for name, x in own.items()} for key, own in self._buffers.items()}
        self._now = list[tuple[Row, dict[str, float]]]()

    @staticmethod
    def of(row: Row, state: ParameterState) -> tuple[float, ...]:
        """What tensors of a row have in common: their clocks' numbers; what is missing begins at zero."""
        return tuple(state[name].item() if name in state else 0.0 for name in row.clock_names)

    @staticmethod
    def record(row: Row, clock: Mapping[str, float], kind: Any = np.float64) -> tuple[bool, dict[str, float]]:
        """Record the step that follows on this clock; whether it is another, and the clock that it is made with."""
        now = {name: kind(x + (name == "step")).item() for name, x in clock.items()}
        now |= row.ticked(now, lambda x: kind(x).item())
        row.clock = clock
        return row.record(now), now

    def fits(self, states: Sequence[ParameterState]) -> bool:
        """Whether these states still have their views, and all of a row the same number. Raises ``KeyError``."""
        for name, places, at in self._kept:
            own = map(itemgetter(name), states if len(places) == len(states) else [states[k] for k in places])
            try:
                if list(map(Tensor.data_ptr, own)) != at:
                    return False
            except (TypeError, RuntimeError):  # no tensor, or one without memory
                return False
        return all(x.max() == x.min() for own in self._arrays.values() for x in own.values())

    def prepare(self, rows: Sequence[Row]) -> bool:
        """Record the next step of each row, and store nothing; whether any is another than before."""
        changed, self._now = False, []
        for row in rows:
            arrays = self._arrays[id(row)]
            kinds = [x.dtype.type for x in arrays.values()] or [np.float64]
            new, now = self.record(row, {name: x[0].item() for name, x in arrays.items()}, kinds[0])
            changed |= new
            row.seed = int(now.get("step", 0.0)) * SEED & 0xFFFFFFFF
            self._now.append((row, now))
        return changed

    def advance(self) -> None:
        """Keep what was prepared in all of the rows' states."""
        for row, now in self._now:
            kept = {**now, **row.scalars}
            for name, x in self._arrays[id(row)].items():
                x[:] = kept[name]


class DeviceClock:
    """The clocks as they lie on the device, each in its own tensor: a kernel moves them on and makes the numbers.

    So a graph can replay a step, and a step can be skipped, without Python's knowing what the numbers are.
    """

    names_in_states = True

    def __init__(self, rows: Sequence[Row], states: Sequence[ParameterState]) -> None:
        self._known = dict[int, Any]()
        for row in rows:
            row.kept = self.kept(self.of(row, states[row.index[0]]))
            at = [[states[place][name].data_ptr() for place in row.index.tolist()] for name in row.clock_names]
            row.clocks = np.array(at, np.uint64).reshape(len(row.clock_names), len(row.index))

    @staticmethod
    def of(row: Row, state: ParameterState) -> tuple[torch.dtype, ...]:
        """What tensors of a row have in common: how their clocks are kept."""
        return tuple(state[name].dtype for name in row.clock_names if name in state)

    @staticmethod
    def kept(dtypes: Sequence[Any]) -> Number:
        """What C++ calls the format of clocks of these dtypes."""
        return "double" if torch.float64 in dtypes else "float"

    def fits(self, states: Sequence[ParameterState]) -> bool:
        """The table looks at the clocks itself."""
        return True

    def prepare(self, rows: Sequence[Row]) -> bool:
        """Record the steps of those rows that have other numbers than before; whether any is another."""
        changed = False
        for row in rows:
            said = row.changes, row.factor
            if self._known.get(id(row)) != said or any(isinstance(x, Tensor) for x in row.numbers):
                changed |= row.record_on_device(row.kept)
                self._known[id(row)] = said
        return changed

    def advance(self) -> None:
        """The kernel does."""


class ClockLaunch:
    """The kernel of a ``DeviceClock`` for rows with the same recording, and what of it stays on the device."""

    def __init__(self, rows: Sequence[Row], processor: Processor) -> None:
        recording = rows[0].clock_recording
        self._processor, self._kernel = processor, kernel_of(recording, processor)
        self._tensors = sum(len(row.index) for row in rows)
        of_row = np.repeat(np.arange(len(rows), dtype=np.int32), [len(row.index) for row in rows])
        clocks = np.ascontiguousarray(np.concatenate([row.clocks for row in rows], 1))
        dtype = torch.float64 if recording.number == "double" else torch.float32
        size = self._tensors * len(recording.coefficients)
        self._resident = processor.upload(clocks), processor.upload(of_row)
        self.numbers = torch.empty(size, dtype=dtype, device=processor.device)
        self.seeds = torch.empty(self._tensors, dtype=torch.int32, device=processor.device)

    def run(self, given: int, verdict: int) -> None:
        """Move the clocks on; ``given`` is where the rows' numbers lie."""
        clocks, rows = (x.data_ptr() for x in self._resident)
        arguments = (clocks, self._tensors, rows, given, self.numbers.data_ptr(), self.seeds.data_ptr(), verdict)
        self._processor.launch(self._kernel, self._tensors, arguments)
