"""The step counts and the rules' own scalars of a table: one number for all coordinates of a tensor."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import is_, itemgetter

import torch
from torch import Tensor

from ..memory import ParameterState
from .row import Row


class HostClock:
    """The clocks as numbers of Python. Those of a row lie in one buffer a name; each tensor's state has a view of one.

    A thousand additions to tensors of one number take milliseconds, and one to a thousand of them a microsecond.
    """

    def __init__(self, rows: Sequence[Row], states: Sequence[ParameterState]) -> None:
        self._buffers: dict[int, dict[str, Tensor]] = {}
        self._kept = list[tuple[str, list[int], list[Tensor]]]()
        for row in rows:
            own, places = self._buffers.setdefault(id(row), {}), row.index.tolist()
            for name in row.clock_names:
                own[name] = torch.stack([states[place][name].detach().reshape(()) for place in places])
                views = list(own[name].unbind())
                for place, view in zip(places, views, strict=True):
                    states[place][name] = view
                self._kept.append((name, places, views))
        self._arrays = {key: {name: x.numpy() for name, x in own.items()} for key, own in self._buffers.items()}

    def fits(self, states: Sequence[ParameterState]) -> bool:
        """Whether these states still have their views, and all of a row the same number. Raises ``KeyError``."""
        for name, places, views in self._kept:
            own = map(itemgetter(name), states if len(places) == len(states) else [states[k] for k in places])
            if not all(map(is_, own, views)):
                return False
        return all((x == x[0]).all() for own in self._arrays.values() for x in own.values())

    def now(self, row: Row) -> dict[str, float]:
        """What this step computes with, as ``GroupStep.read_clock`` has it; nothing is stored yet."""
        arrays = self._arrays[id(row)]
        kinds = [x.dtype.type for x in arrays.values()]
        return row.ticked({name: x[0].item() for name, x in arrays.items()}, kinds[0] if kinds else float)

    def store(self, row: Row, clock: Mapping[str, float]) -> None:
        """Keep these numbers in all of the row's states."""
        for name, x in self._arrays[id(row)].items():
            x[:] = clock[name]
