"""What an engine is given: one group's update, its numbers, its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from ..rules import Scalar
from ..step import Update
from .formats import HALF, seed_of, wide
from .memory import BESIDE, FIRST_STATE_SALT, Memory, ParameterState, Rounding, StateDtype
from .tensor_list import TensorList

Mode = Literal["plain", "capturable", "differentiable"]
Clock = dict[str, Scalar]
AnyTensor = TypeVar("AnyTensor", Tensor, TensorList)
_KINDS = (torch.float32, torch.float16)


@dataclass(frozen=True)
class Work:
    """One parameter group's step, to be done in place.

    ``mode``: "plain" computes the clock in Python numbers, "capturable" in tensors that a graph can replay,
    "differentiable" keeps every operation for autograd and puts new tensors in the state instead of writing into it.
    ``gradient`` multiplies every gradient: -1 to maximize, times the clip factor, over the loss scale.
    ``memory`` is what weights and states are kept in, ``ema_decay`` the d of ``ema ← ema + (1−d)(w − ema)``, w the
    weights as they lie in memory after the step; None keeps no average.
    """

    update: Update
    lr: Scalar
    eta: Scalar
    lam: Scalar
    params: list[Tensor]
    grads: list[Tensor]
    states: list[ParameterState]
    mode: Mode = "plain"
    gradient: Scalar = 1.0
    memory: Memory = field(default_factory=Memory)
    ema_decay: float | None = None

    @property
    def numbers(self) -> dict[str, Scalar]:
        return {"lr": self.lr, "eta": self.eta, "lam": self.lam}

    @property
    def rounding(self) -> Rounding:
        return self.memory.rounding

    @property
    def state_dtype(self) -> StateDtype:
        return self.memory.state_dtype

    def clock_names(self) -> tuple[str, ...]:
        rule = self.update.rule
        return (("step",) if rule.counts_steps else ()) + rule.scalars

    @cached_property
    def state_names(self) -> tuple[str, ...]:
        """The rule's states for each coordinate, in its own order."""
        rule = self.update.rule
        return tuple(name for name in rule.start(torch.empty(0), 0.0) if name not in rule.scalars)

    @cached_property
    def beside(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What a parameter's state needs that the rule does not start: of a wide parameter, and of half precision."""
        anchor = ("anchor",) if self.update.regularizer.anchored else ()
        ema = ("ema",) if self.ema_decay is not None else ()
        kahan = ("kahan",) if self.memory.rounding == "kahan" else ()
        clocks = [() if self.update.rule.counts_steps or not self.memory.needs_clock(d) else ("step",) for d in _KINDS]
        return (*clocks[0], *anchor, *ema), (*clocks[1], *anchor, *kahan, *ema)

    def lacks(self, p: Tensor, state: ParameterState) -> bool:
        """Whether something that lies beside the rule's states is not there yet."""
        names = self.beside[p.dtype in HALF]
        return bool(names) and any(name not in state for name in names)

    def read_clock(self, state: ParameterState) -> Clock:
        """The step count, moved on by one, and the rule's scalars, moved on by ``tick``: what this step computes with.

        Stored first and read back then, so that what is used is what a checkpoint would restore.
        """
        rule = self.update.rule
        if "step" in state:
            state["step"] += 1
        if rule.scalars:
            t = self._value("step", state["step"])
            self._store_scalars(state, rule.tick(t, {name: state[name] for name in rule.scalars}))
        return {name: self._value(name, state[name]) for name in ("step", *rule.scalars) if name in state}

    def _value(self, name: str, x: Tensor) -> Scalar:
        read = self.mode == "plain" or (self.mode == "differentiable" and name == "step")
        return x.item() if read else x

    def scaled(self, g: AnyTensor, device: torch.device) -> AnyTensor:
        """The gradient times ``gradient``; itself where that is the number 1."""
        factor = self.gradient
        if isinstance(factor, Tensor):
            return g * factor.to(device)
        return g if factor == 1 else g * factor

    def gradient_of(self, p: Tensor, g: Tensor) -> Tensor:
        """The gradient as it is computed with, ``scaled`` aside; dense where the states are not kept as they are."""
        if self.memory.as_is(p):
            return as_real(g if g.dtype == p.dtype else g.to(p.dtype))
        return (g.to_dense() if g.is_sparse else g).to(wide(p.dtype))

    def weights(self, p: Tensor, state: ParameterState) -> Tensor:
        """The weights as they are computed with: p's own memory where that will do."""
        if self.memory.as_is(p):
            return as_real(p.clone() if self.mode == "differentiable" else p)
        return self.memory.read_weights(p, state)

    def states_of(self, p: Tensor, state: ParameterState) -> dict[str, Any]:
        """The states as they are computed with: their own memory where that will do."""
        if self.memory.as_is(p):
            return {name: as_real(x) for name, x in state.items() if name not in BESIDE}
        return self.memory.read_states(p, state)

    def put(self, p: Tensor, state: ParameterState, w: Tensor, clock: Clock) -> None:
        """Write the new weights."""
        if self.memory.as_is(p):
            as_real(p).copy_(w)
        else:
            self.memory.write_weights(p, state, w, clock.get("step", 0.0))

    def store(self, p: Tensor, state: ParameterState, new: Mapping[str, Any], clock: Clock) -> None:
        """Put new states where the old ones were: in their memory, or in their place where autograd or layout asks."""
        scalars = self.update.rule.scalars
        self._store_scalars(state, {name: x for name, x in new.items() if name in scalars})
        for name in (name for name in new if name not in scalars):
            if self.memory.as_is(p):
                self._store_as_is(p, state, name, new[name])
            elif self.mode == "differentiable":
                state[name] = new[name].to(self.memory.dtype_of_states(p), copy=True)
            else:
                self.memory.write_state(p, state, name, new[name], self._seed(name, clock))

    def _seed(self, name: str, clock: Clock) -> Scalar | None:
        if not self.memory.dithers_states:
            return None
        k = self.state_names.index(name) if name in self.state_names else len(self.state_names)
        return seed_of(clock["step"], FIRST_STATE_SALT + k)

    def _store_as_is(self, p: Tensor, state: ParameterState, name: str, real: Tensor) -> None:
        old, x = state.get(name), torch.view_as_complex(real) if p.is_complex() else real
        if old is None:
            state[name] = x.clone()
        elif self.mode == "differentiable" or old.is_sparse:
            state[name] = x
        else:
            old.copy_(x)

    def _store_scalars(self, state: ParameterState, new: Mapping[str, Any]) -> None:
        for name, x in new.items():
            if not isinstance(x, Tensor):
                state[name].fill_(x)
            elif self.mode == "differentiable":
                state[name] = x
            else:
                state[name].copy_(x)

    def average(self, p: Tensor, state: ParameterState) -> None:
        """Move the average of the weights on, if one is kept."""
        if self.ema_decay is not None:
            ema: Tensor = state["ema"]
            ema.lerp_(p.detach().to(ema.dtype), 1 - self.ema_decay)


def as_real(x: Tensor) -> Tensor:
    """A complex tensor as two real columns: every rule takes the parts as coordinates of their own."""
    return torch.view_as_real(x) if x.is_complex() else x


def start_state(work: Work, p: Tensor, device: torch.device, dtype: torch.dtype) -> ParameterState:
    """A parameter's state before its first step; the step count and scalars lie on ``device`` in ``dtype``."""
    rule, memory = work.update.rule, work.memory
    w = as_real(p.detach()) if memory.as_is(p) or memory.state_dtype is None else p.detach().to(wide(p.dtype))
    state: ParameterState = {"step": torch.zeros((), device=device, dtype=dtype)} if rule.counts_steps else {}
    state |= start_beside(work, p, device, dtype)
    for name, x in rule.start(w, work.lr).items():
        if name in rule.scalars:
            state[name] = torch.as_tensor(x).to(device, dtype, copy=True)
        elif memory.as_is(p):
            state[name] = torch.view_as_complex(x) if p.is_complex() else x  # type: ignore[arg-type]
        else:
            memory.write_state(p, state, name, x, None)  # type: ignore[arg-type]
    return state


def start_beside(work: Work, p: Tensor, device: torch.device, dtype: torch.dtype) -> ParameterState:
    """The step count, the first weights, the empty remainder and the average, those of them that are kept."""
    w, names = p.detach(), work.beside[p.dtype in HALF]
    kept = {
        "step": lambda: torch.zeros((), device=device, dtype=dtype),
        "anchor": w.clone,
        "kahan": lambda: torch.zeros_like(w),
        "ema": lambda: w.to(wide(w.dtype), copy=True),
    }
    return {name: kept[name]() for name in names}
