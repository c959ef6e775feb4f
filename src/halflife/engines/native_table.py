"""The native engine: one call for all tensors of all groups, one pass over memory.

A ``Table`` holds where everything lies. It is kept between steps and made anew when anything moved: making one takes
milliseconds, checking it a few hundred nanoseconds a tensor, which is why ``Table.fits`` reads as it does. It is made
only from tensors that ``native_rows.tensor_obstacle`` found nothing against, and keeps none of them alive, nor refers
to any: ``torch.utils.swap_tensors`` takes none that has a weak reference.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportAttributeAccessIssue=false
from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..rules import Scalar
from ..sharded.region import region_of
from ..update import Update
from .group_step import GroupStep
from .layouts import TensorLayouts, overlap, reader
from .library import Library, Missing, load, threads
from .memory import SCALE, ParameterState
from .native_rows import enter_regularizer, lam_of, row_of

FORMATS = {torch.float32: 0, torch.float64: 1, torch.bfloat16: 2, torch.float16: 3, torch.uint8: 4}
"""As ``hl_format`` in native/halflife.h."""


class Table:
    """All tensors of some groups' step, as the library reads them.

    ``fits`` says whether it still describes what the optimizer has: living tensors in the places and layouts that were
    entered, whether or not they are the same objects. So no pointer outlives its memory.
    """

    decides_on_device = False

    def __init__(self, steps: Sequence[GroupStep]) -> None:
        self.library = _loaded()
        params = list(chain.from_iterable(step.params for step in steps))
        grads = list(chain.from_iterable(step.grads for step in steps))
        states = list(chain.from_iterable(step.states for step in steps))
        self.rows, self.entries = np.zeros(len(steps), self.library.row), np.zeros(len(params), self.library.entry)
        self.begun: list[tuple[ParameterState, ParameterState]] = []
        names: list[tuple[str, ...]] = []
        index = 0
        for row, step in enumerate(steps):
            for p, g, state in zip(step.params, step.grads, step.states, strict=True):
                self.entries[index]["row"] = row
                entered, begun = _enter(self.entries[index], step, p, g, state)
                names.append(entered)
                self.begun += [(state, begun)] if begun else []
                index += 1
        self._read_states = reader(names)
        self.reads_states = any(names)
        begun_in = {id(state): begun for state, begun in self.begun}
        held = [*params, *self._read_states([{**state, **begun_in.get(id(state), {})} for state in states])]
        self._layouts, self._at = TensorLayouts([*held, *grads]), list(map(Tensor.data_ptr, held))
        self._grads_at = list[int]()
        self._threads = 1 if overlap(held) else None
        self.addresses = self.entries.ctypes.data, len(self.entries), self.rows.ctypes.data
        self._lr, self._scale, self._lam, self._gradient = (self.rows[n] for n in ("lr", "scale", "lam", "gradient"))
        self._factors: list[Any] = []

    def fits(self, params: list[Tensor], grads: list[Tensor], states: Iterable[ParameterState]) -> bool:
        """Whether these lie as the tensors of the table do and, but for the gradients, where they do.

        Where the gradients lie now is taken note of.
        """
        if len(params) != len(self.entries):
            return False
        try:
            held = [*params, *self._read_states(states), *grads]
        except KeyError:
            return False
        if not self._layouts.of(held):
            return False
        at, n = list(map(Tensor.data_ptr, held)), len(self._at)
        if at[:n] != self._at:
            return False
        grads_at = at[n:]
        if grads_at != self._grads_at:
            if not all(at or not g.numel() for at, g in zip(grads_at, grads, strict=True)):
                return False
            self.entries["g"] = self._grads_at = grads_at
        return True

    def gradient_norm(self) -> float:
        """The L2 norm of all gradients, whatever their factor will be."""
        self._gradient[:], self._factors = 1.0, []
        return self.library.gradient_norm(*self.addresses, threads())

    def fill(self, steps: Sequence[GroupStep]) -> None:
        """The words and numbers of these steps, a row each."""
        for k, step in enumerate(steps):
            self.rows[k] = row_of(step, self.library)
        self._factors = []

    def move(self, row: int, update: Update, lr: Scalar, eta: Scalar, lam: Scalar) -> None:
        """What schedulers move, in a row that is filled."""
        self._lr[row], self._scale[row], self._lam[row] = lr, update.decay.scale(lr, eta, 1.0), lam_of(update, lam)

    def prepare(self, factors: list[Scalar]) -> None:
        """Take what multiplies the gradients in each row."""
        if factors is not self._factors:
            self._gradient[:] = factors
            self._factors = factors

    def run(self, params: list[Tensor], verdict: Tensor | None = None) -> None:
        """One step of every tensor, in place, with the numbers that the rows have; ``verdict`` it takes none."""
        for state, begun in self.begun:
            state.update(begun)
        unknown = self.library.step(*self.addresses, self._threads or threads())
        if unknown:
            raise RuntimeError(f"the native library does not take entry {unknown - 1}: {self.entries[unknown - 1]}")
        if self.begun:
            self.entries["first"], self.begun = 0, []
        torch.autograd.graph.increment_version(params)


def _loaded() -> Library:
    library = load()
    if isinstance(library, Missing):
        raise RuntimeError(f"no native engine: {library.reason}")
    return library


def gradient_norm(grads: Sequence[Tensor]) -> float:
    """What ``Table.gradient_norm`` returns, to the last bit, where there is no table yet."""
    library = _loaded()
    rows, entries = np.zeros(1, library.row), np.zeros(len(grads), library.entry)
    rows["gradient"], entries["g"] = 1.0, list(map(Tensor.data_ptr, grads))
    entries["n"], entries["g_format"] = list(map(Tensor.numel, grads)), [FORMATS[g.dtype] for g in grads]
    return library.gradient_norm(entries.ctypes.data, len(grads), rows.ctypes.data, threads())


def _enter(
    entry: Any, step: GroupStep, p: Tensor, g: Tensor, state: ParameterState
) -> tuple[tuple[str, ...], ParameterState]:
    """One tensor's parts; the names that were entered, and the states that begin with this step, of zeros.

    Those are put in the state when the step is made: at once, they would hide from the step after an interrupted one
    that it is the first.
    """
    begun, entered = ParameterState(), list[str]()
    for name in step.state_names:
        if state.get(name) is None:
            step.memory.write_state(p, begun, name, torch.zeros_like(p.detach()), None)
    entry["first"], state = bool(begun), {**state, **begun}
    for k, name in enumerate(step.state_names):
        entry["state"][k], entry["state_format"] = state[name].data_ptr(), FORMATS[state[name].dtype]
        entered.append(name)
        if state[name].dtype is torch.uint8:
            entry["scale"][k] = state[name + SCALE].data_ptr()
            entered.append(name + SCALE)
    for k, name in enumerate(step.clock_names()):
        if name in step.needed(p):
            entry["clock"][k], entry["clock_format"] = state[name].data_ptr(), FORMATS[state[name].dtype]
            entered.append(name)
    for name in ("anchor", "kahan", "ema"):
        if name in step.needed(p):
            entry[name] = state[name].data_ptr()
            entered.append(name)
    enter_regularizer(entry, step.update.regularizer, p)
    entry["n"], entry["w"], entry["g"] = p.numel(), p.data_ptr(), g.data_ptr()
    entry["w_format"], entry["g_format"] = FORMATS[p.dtype], FORMATS[g.dtype]
    entry["dithered"] = step.memory.dithers_states
    region = region_of(p)
    if region is not None:
        entry["origin"], gaps = region.first, region.gaps
        entry["run"], entry["gap"] = gaps[0] if len(gaps) == 1 else (0, 0)
    return tuple(entered), begun
