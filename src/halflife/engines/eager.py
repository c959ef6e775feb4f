"""The reference engine: one parameter after the other, any device, dtype and layout."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .group_step import Clock, GroupStep, as_real
from .memory import ParameterState


def run(step: GroupStep) -> None:
    """One step of every parameter of the group, in place."""
    for p, g, state in zip(step.params, step.grads, step.states, strict=True):
        clock, as_is = step.read_clock(state), step.as_is(p, state)
        if not (g.is_sparse and step.update.rule.sparse in ("touched", "required")):
            _step(step, p, g, state, clock, as_is)
        elif (entries := g.coalesce()).values().numel():
            _step_touched(step, p, entries, state, clock, as_is)
        step.average(p, state)


def _step(step: GroupStep, p: Tensor, g: Tensor, state: ParameterState, clock: Clock, as_is: bool) -> None:
    w = step.weights(p, state, as_is)
    s: Any = step.states_of(p, state, as_is) | clock
    g = step.scaled(step.gradient_of(p, g, as_is), p.device)
    w, new = step.update(clock.get("step", 0.0), w, g, s, **step.numbers)
    step.store(p, state, new, clock, as_is)
    step.put(p, state, w, clock, as_is)


def _step_touched(step: GroupStep, p: Tensor, g: Tensor, state: ParameterState, clock: Clock, as_is: bool) -> None:
    """The rule on the coordinates that a sparse gradient names, and on no other.

    Where weights or states are not kept as they are computed with, all of them are decoded and encoded again, which
    changes the untouched ones by the dither at most where their block has a new scale.
    """
    where = tuple(g.indices())
    w = step.weights(p, state, as_is)
    s = step.states_of(p, state, as_is)
    rows: Any = {name: x[where] for name, x in s.items()} | clock
    g = step.scaled(as_real(g.values()).to(w.dtype).reshape(w[where].shape), p.device)
    w[where], new = step.update(clock["step"], w[where], g, rows, **step.numbers)
    changed = {name: s[name] for name in s.keys() & new.keys()}
    for name, x in changed.items():
        x[where] = new[name]
    if step.mode == "differentiable" or not as_is:
        step.store(p, state, changed, clock, as_is)
        step.put(p, state, w, clock, as_is)
