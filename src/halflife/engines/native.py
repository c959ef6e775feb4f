"""The native engine: one call for all tensors of all groups, one pass over memory.

A ``Table`` holds where everything lies. It is kept between steps and made anew when anything moved: making one takes
milliseconds, checking it a few hundred nanoseconds a tensor, which is why ``Table.fits`` reads as it does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain
from operator import is_, methodcaller
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .library import Missing, load, threads
from .looks import Looks
from .memory import SCALE, ParameterState
from .native_rows import fill, numbers_of, state_names
from .penalties import enter_penalty
from .work import Work

FORMATS = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.float16: 3, torch.uint8: 4}

_values = methodcaller("values")


class Table:
    """All tensors of some groups' step, as the library reads them.

    It holds every tensor that it points to, so that no pointer outlives its memory; ``fits`` says whether the table
    still describes what the optimizer has.
    """

    def __init__(self, works: Sequence[Work]) -> None:
        library = load()
        if isinstance(library, Missing):
            raise RuntimeError(f"no native engine: {library.reason}")
        self.library = library
        self.params = list(chain.from_iterable(work.params for work in works))
        self.rows, self.entries = np.zeros(len(works), library.row), np.zeros(len(self.params), library.entry)
        self.made: list[tuple[ParameterState, ParameterState]] = []
        index = 0
        for row, work in enumerate(works):
            for p, g, state in zip(work.params, work.grads, work.states, strict=True):
                self.entries[index]["row"] = row
                self.made.append((state, _enter(self.entries[index], work, p, g, state)))
                index += 1
        self.looks = Looks(self.params), Looks(list(chain.from_iterable(work.grads for work in works)))
        self.at, self.grads_at = list(map(Tensor.data_ptr, self.params)), list[int]()
        self.overlap = _overlap(self.params)
        self.hold([state for work in works for state in work.states])
        self.addresses = self.entries.ctypes.data, len(self.entries), self.rows.ctypes.data
        self.numbers: list[Any] = []

    def hold(self, states: Collection[ParameterState]) -> None:
        """Keep these states' tensors, in this order, to compare with."""
        self.held = list(chain.from_iterable(map(_values, states)))
        self.held_at = list(map(Tensor.data_ptr, self.held))

    def fits(self, params: list[Tensor], grads: list[Tensor], states: Collection[ParameterState]) -> bool:
        """Whether these are the tensors of the table, as they were and, but for the gradients, where they were.

        Where the gradients lie now is taken note of.
        """
        if len(params) != len(self.params) or not all(map(is_, params, self.params)):
            return False
        held = chain.from_iterable(map(_values, states))
        if sum(map(len, states)) != len(self.held) or not all(map(is_, held, self.held)):
            return False
        if not (self.looks[0].of(params) and self.looks[1].of(grads)):
            return False
        if list(map(Tensor.data_ptr, params)) != self.at or list(map(Tensor.data_ptr, self.held)) != self.held_at:
            return False
        grads_at = list(map(Tensor.data_ptr, grads))
        if grads_at != self.grads_at:
            self.entries["g"] = self.grads_at = grads_at
        return True

    def gradient_norm(self) -> float:
        """The L2 norm of all gradients, whatever their factor will be."""
        self.rows["gradient"], self.numbers = 1.0, []
        return self.library.gradient_norm(*self.addresses, threads())

    def run(self, works: Sequence[Work]) -> None:
        """One step of every tensor, in place, with the numbers of these works."""
        numbers = [numbers_of(work) for work in works]
        if numbers != self.numbers:
            self.numbers = []  # whatever cuts this short, no row is taken for filled that is not
            for row, work in zip(self.rows, works, strict=True):
                fill(row, work)
            self.numbers = numbers
        for state, made in self.made:
            state.update(made)
        self.made = []
        self.run_again()

    def run_again(self) -> None:
        """One step with the numbers of the last one."""
        unknown = self.library.step(*self.addresses, 1 if self.overlap else threads())
        if unknown:
            raise RuntimeError(f"the native library does not take entry {unknown - 1}: {self.entries[unknown - 1]}")
        self.entries["first"] = 0
        torch.autograd.graph.increment_version(self.params)


def gradient_norm(grads: Sequence[Tensor]) -> float:
    """What ``Table.gradient_norm`` returns, to the last bit, where there is no table yet."""
    library = load()
    assert not isinstance(library, Missing)
    rows, entries = np.zeros(1, library.row), np.zeros(len(grads), library.entry)
    rows["gradient"], entries["g"] = 1.0, list(map(Tensor.data_ptr, grads))
    entries["n"], entries["g_format"] = list(map(Tensor.numel, grads)), [FORMATS[g.dtype] for g in grads]
    return library.gradient_norm(entries.ctypes.data, len(grads), rows.ctypes.data, threads())


def _overlap(params: Sequence[Tensor]) -> bool:
    """Whether any two share memory: threads would race for it; one thread takes them in their order, as eager does."""
    begin = np.array([p.data_ptr() for p in params], np.int64)
    order, end = begin.argsort(), begin + np.array([p.nbytes for p in params], np.int64)
    return bool((begin[order][1:] < np.maximum.accumulate(end[order])[:-1]).any())


def _enter(entry: Any, work: Work, p: Tensor, g: Tensor, state: ParameterState) -> ParameterState:
    """One tensor's parts. The states that were not there, of zeros, are returned, and put there when a step is made.

    Put there at once, they would hide from the step after an interrupted one that it is the first.
    """
    names, made = state_names(work), ParameterState()
    for name in names:
        if name not in state:
            work.memory.write_state(p, made, name, torch.zeros_like(p), None)
    entry["first"], state = bool(made), {**state, **made}
    for k, name in enumerate(names):
        entry["state"][k], entry["state_format"] = state[name].data_ptr(), FORMATS[state[name].dtype]
        if name + SCALE in state:
            entry["scale"][k] = state[name + SCALE].data_ptr()
    for k, name in enumerate(("step", *work.update.rule.scalars)):
        if name in state:
            entry["clock"][k], entry["clock_format"] = state[name].data_ptr(), FORMATS[state[name].dtype]
    for name in ("anchor", "kahan", "ema"):
        if name in state:
            entry[name] = state[name].data_ptr()
    enter_penalty(entry, work.update.regularizer, p)
    entry["n"], entry["w"], entry["g"] = p.numel(), p.data_ptr(), g.data_ptr()
    entry["w_format"], entry["g_format"] = FORMATS[p.dtype], FORMATS[g.dtype]
    entry["dithered"] = work.memory.dithers_states
    return made
