"""Replicas stacked along the first dimension: one update for all of them, with a learning rate and a λ for each.

The native engine takes each replica of each tensor as an entry of its own and each replica as a row of coefficients, so
that a grid costs one pass over memory, as one model does. What it cannot take is stepped under ``torch.func.vmap``.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import vmap

from ..update import Update
from .group_step import GroupStep, as_real
from .library import Library, Missing, load, threads
from .memory import ParameterState
from .native_rows import group_obstacle, row_of, tensor_obstacle
from .native_table import Table


class Grid(ABC):
    """One optimizer for K replicas: ``weights`` are tensors ``[K, …]``, contiguous, and stepped in place.

    ``lrs`` and ``lams`` are the replicas' learning rates α and λ; ``eta`` the multiplier η of the first step, for
    states that start from the learning rate. ``states`` are stacked like the weights, the scalars among them ``[K]``;
    ``steps`` counts the steps made. Both, and ``alive``, make a checkpoint: what ``restore`` is given goes on to the
    same bits.
    Raises ``ValueError`` or ``RuntimeError`` for weights that rule or regularizer do not take, and for a rule that
    takes sparse gradients alone.
    """

    name: str

    def __init__(
        self, update: Update, weights: Sequence[Tensor], lrs: Sequence[float], lams: Sequence[float], eta: float
    ) -> None:
        self.update, self.weights = update, list(weights)
        _check(update, self.weights)
        self.lrs, self.lams = np.asarray(lrs, float), np.asarray(lams, float)
        self.steps = 0
        self.alive = torch.ones(len(lrs), dtype=torch.bool)
        self.states = [_stacked_states(update, w, self.lrs * eta, self.lams) for w in self.weights]

    @abstractmethod
    def step(self, eta: float, grads: Sequence[Tensor]) -> None:
        """One step of all replicas alive, with lr = α·η and these gradients, shaped like the weights."""

    def keep(self, alive: Tensor) -> None:
        """Step only these replicas from now on, ``[K]`` booleans: the others' weights stay as they are."""
        self.alive = alive.clone()

    def restore(self, steps: int, states: Sequence[Mapping[str, Tensor]], alive: Tensor) -> None:
        """Go on from a checkpoint; the weights are the caller's affair."""
        self.steps = steps
        for mine, saved in zip(self.states, states, strict=True):
            for name, x in saved.items():
                mine.setdefault(name, torch.empty_like(x)).copy_(x)
        self.keep(alive)


def _check(update: Update, weights: Sequence[Tensor]) -> None:
    """What an optimizer asks of its parameters, of one replica's."""
    if update.rule.sparse == "required":
        raise RuntimeError(f"{type(update.rule).__name__} takes sparse gradients alone, and those of a grid are dense")
    for i, w in enumerate(weights):
        try:
            update.rule.check(w[0])
            update.regularizer.check(w[0])
        except (ValueError, RuntimeError) as error:
            raise type(error)(f"{error} It is number {i} of the grid's.") from None


def grid(
    update: Update, weights: Sequence[Tensor], lrs: Sequence[float], lams: Sequence[float], eta: float = 1.0
) -> Grid:
    """The fastest grid that takes this update and these weights."""
    first, none = [w[0] for w in weights], [ParameterState() for _ in weights]
    step = _group_step(update, first, lrs[0], eta, lams[0], none)
    native = not isinstance(load(), Missing) and update.regularizer.separable and not group_obstacle(step)
    native = native and not any(tensor_obstacle(step, w, w, {}) for w in first)
    return (NativeGrid if native else EagerGrid)(update, weights, lrs, lams, eta)


class NativeGrid(Grid):
    """K·P entries and K rows for the native engine: those of the first replica, and their addresses' strides."""

    name = "native"

    def __init__(
        self, update: Update, weights: Sequence[Tensor], lrs: Sequence[float], lams: Sequence[float], eta: float
    ) -> None:
        super().__init__(update, weights, lrs, lams, eta)
        library = load()
        assert isinstance(library, Library)
        self.library = library
        names = _group_step(update, [], float(lrs[0]), eta, float(lams[0]), []).state_names
        for w, state in zip(self.weights, self.states, strict=True):
            state.update({name: torch.zeros_like(w) for name in names if name not in state})
        first, last = self._entries_of(0, eta), self._entries_of(len(lrs) - 1, eta)
        index = np.arange(len(lrs))
        self.table = np.broadcast_to(first, (len(lrs), len(first))).copy()
        pointers = [name for name in library.entry.names or () if library.entry[name].base == np.uint64]
        for name in pointers:
            stride = (last[name].astype(np.int64) - first[name].astype(np.int64)) // max(1, len(lrs) - 1)
            self.table[name] += _outer(index, stride).astype(np.uint64)
        self.table["row"] = index[:, None]
        self.sizes = np.array([w[0].nbytes for w in self.weights])
        self.rows = np.zeros(len(lrs), library.row)
        for k, (lr, lam) in enumerate(zip(self.lrs, self.lams, strict=True)):
            self.rows[k] = row_of(_group_step(update, [], float(lr), eta, float(lam), []), library)
        self.keep(self.alive)

    def _entries_of(self, k: int, eta: float) -> NDArray[Any]:
        """One replica's entries, as a table of this replica alone has them."""
        weights = [w[k] for w in self.weights]
        states = [{name: x[k] for name, x in state.items()} for state in self.states]
        return Table([_group_step(self.update, weights, float(self.lrs[k]), eta, float(self.lams[k]), states)]).entries

    def keep(self, alive: Tensor) -> None:
        super().keep(alive)
        (index,) = alive.numpy().nonzero()
        self.entries = self.table[index].reshape(-1)
        self.offsets = _outer(index, self.sizes).astype(np.uint64)

    def step(self, eta: float, grads: Sequence[Tensor]) -> None:
        held = [g if g.is_contiguous() else g.contiguous() for g in grads]
        self.entries["g"] = (np.array([g.data_ptr() for g in held], np.uint64) + self.offsets).reshape(-1)
        self.entries["first"] = self.steps == 0
        lr = self.lrs * eta
        self.rows["lr"], self.rows["scale"] = lr, self.update.decay.scale(lr, eta, 1.0)
        addresses = self.entries.ctypes.data, len(self.entries), self.rows.ctypes.data
        unknown = self.library.step(*addresses, threads())
        if unknown:
            raise RuntimeError(f"the native library does not take entry {unknown - 1}: {self.entries[unknown - 1]}")
        self.steps += 1


class EagerGrid(Grid):
    """``Update`` itself under ``vmap``: any device, any regularizer, and what the native grid is compared with."""

    name = "eager"

    def step(self, eta: float, grads: Sequence[Tensor]) -> None:
        self.steps += 1
        for stacked, grad, state in zip(self.weights, grads, self.states, strict=True):
            w, g, real = as_real(stacked), as_real(grad.resolve_conj()), {n: as_real(x) for n, x in state.items()}
            lr, lam = (torch.as_tensor(x, dtype=w.dtype, device=w.device) for x in (self.lrs * eta, self.lams))
            new, changed = vmap(self._one, in_dims=(0, 0, 0, 0, 0, None))(w, g, real, lr, lam, eta)
            w.copy_(torch.where(self.alive.to(w.device).reshape(-1, *[1] * (w.ndim - 1)), new, w))
            whole = {n for n, x in changed.items() if stacked.is_complex() and x.shape == w.shape}
            state.update({n: torch.view_as_complex(x) if n in whole else x for n, x in changed.items()})

    def _one(
        self, w: Tensor, g: Tensor, state: ParameterState, lr: Tensor, lam: Tensor, eta: float
    ) -> tuple[Tensor, ParameterState]:
        rule = self.update.rule
        scalars = rule.tick(self.steps, {name: state[name].to(w.dtype) for name in rule.scalars})
        scalars = {name: torch.as_tensor(x, dtype=torch.float32).to(w.dtype) for name, x in scalars.items()}
        new, changed = self.update(self.steps, w, g, {**state, **scalars}, lr=lr, eta=eta, lam=lam)  # type: ignore[dict-item]
        kept = {**scalars, **changed}
        return new, {name: torch.as_tensor(x, dtype=_dtype_of(name, rule.scalars, w)) for name, x in kept.items()}


def _dtype_of(name: str, scalars: tuple[str, ...], w: Tensor) -> torch.dtype:
    return torch.float32 if name in scalars else w.dtype


def _group_step(
    update: Update, params: list[Tensor], lr: float, eta: float, lam: float, states: list[ParameterState]
) -> GroupStep:
    """One replica's step; the gradients, which are not there yet, are taken to lie as the weights do."""
    return GroupStep(update, lr, eta, lam, params, params, states)


def _stacked_states(update: Update, w: Tensor, lrs: NDArray[Any], lams: NDArray[Any]) -> ParameterState:
    """Each replica's states before its first step."""
    states: list[ParameterState] = []
    for x, lr, lam in zip(w, lrs, lams, strict=True):
        step, state = _group_step(update, [x], float(lr), 1.0, float(lam), []), ParameterState()
        step.begin(x, state, (x.device, torch.float32))
        states.append(state)
    return {name: torch.stack([state[name] for state in states]).contiguous() for name in states[0]}


def _outer(index: NDArray[Any], strides: NDArray[Any]) -> NDArray[Any]:
    """index × strides, ``[len(index), *strides.shape]``."""
    return index.reshape(-1, *[1] * strides.ndim) * strides
