"""What an engine is given: one group's update, its numbers, its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..rules import Scalar
from ..step import Update

ParameterState = dict[str, Any]
Mode = Literal["plain", "capturable", "differentiable"]


@dataclass(frozen=True)
class Work:
    """One parameter group's step, to be done in place.

    ``mode``: "plain" computes the clock in Python numbers, "capturable" in tensors that a graph can replay,
    "differentiable" keeps every operation for autograd and puts new tensors in the state instead of writing into it.
    ``direction`` is whether the objective is to fall or to rise.
    """

    update: Update
    lr: Scalar
    eta: Scalar
    lam: Scalar
    params: list[Tensor]
    grads: list[Tensor]
    states: list[ParameterState]
    mode: Mode = "plain"
    direction: Literal["minimize", "maximize"] = "minimize"

    @property
    def numbers(self) -> dict[str, Scalar]:
        return {"lr": self.lr, "eta": self.eta, "lam": self.lam}

    def clock_names(self) -> tuple[str, ...]:
        rule = self.update.rule
        return (("step",) if rule.counts_steps else ()) + rule.scalars

    def read_clock(self, state: ParameterState) -> dict[str, Scalar]:
        """The step count, moved on by one, and the rule's scalars, moved on by ``tick``: what this step computes with.

        Stored first and read back then, so that what is used is what a checkpoint would restore.
        """
        rule = self.update.rule
        if rule.counts_steps:
            state["step"] += 1
        if rule.scalars:
            t = self._value("step", state["step"])
            self.store(state["step"], state, rule.tick(t, {name: state[name] for name in rule.scalars}))
        return {name: self._value(name, state[name]) for name in self.clock_names()}

    def _value(self, name: str, x: Tensor) -> Scalar:
        read = self.mode == "plain" or (self.mode == "differentiable" and name == "step")
        return x.item() if read else x

    def store(self, p: Tensor, state: ParameterState, new: Mapping[str, Any]) -> None:
        """Put new states where the old ones were: in their memory, or in their place where autograd or layout asks."""
        clock = self.clock_names()
        for name, real in new.items():
            old = state.get(name)
            x = torch.view_as_complex(real) if p.is_complex() and name not in clock else real
            if old is None:
                state[name] = x.clone()
            elif not isinstance(x, Tensor):
                old.fill_(x)
            elif self.mode == "differentiable" or old.is_sparse:
                state[name] = x
            else:
                old.copy_(x)


def as_real(x: Tensor) -> Tensor:
    """A complex tensor as two real columns: every rule takes the parts as coordinates of their own."""
    return torch.view_as_real(x) if x.is_complex() else x


def start_state(work: Work, p: Tensor, device: torch.device, dtype: torch.dtype) -> ParameterState:
    """A parameter's state before its first step; the step count and scalars lie on ``device`` in ``dtype``."""
    rule, w = work.update.rule, as_real(p.detach())
    first = {"step": 0.0} if rule.counts_steps else {}
    anchor = {"anchor": w.clone()} if work.update.regularizer.anchored else {}
    state: ParameterState = {}
    for name, x in {**first, **rule.start(w, work.lr), **anchor}.items():
        if name in work.clock_names():
            state[name] = torch.as_tensor(x).to(device, dtype, copy=True)
        else:
            state[name] = torch.view_as_complex(x) if p.is_complex() else x  # type: ignore[arg-type]
    return state
