"""The reference engine: one parameter after the other, any device, dtype and layout."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .memory import ParameterState
from .work import Clock, Work, as_real


def run(work: Work) -> None:
    """One step of every parameter of the group, in place."""
    for p, g, state in zip(work.params, work.grads, work.states, strict=True):
        clock = work.read_clock(state)
        if g.is_sparse and work.update.rule.sparse == "touched":
            _step_touched(work, p, g.coalesce(), state, clock)
        else:
            _step(work, p, g, state, clock)
        work.average(p, state)


def _step(work: Work, p: Tensor, g: Tensor, state: ParameterState, clock: Clock) -> None:
    w = work.weights(p, state)
    s: Any = work.states_of(p, state) | clock
    g = work.scaled(work.gradient_of(p, g), p.device)
    w, new = work.update(clock.get("step", 0.0), w, g, s, **work.numbers)
    work.store(p, state, new, clock)
    work.put(p, state, w, clock)


def _step_touched(work: Work, p: Tensor, g: Tensor, state: ParameterState, clock: Clock) -> None:
    """The rule on the coordinates that a sparse gradient names, and on no other.

    Where weights or states are not kept as they are computed with, all of them are decoded and encoded again, which
    changes the untouched ones by the dither at most where their block has a new scale.
    """
    where = tuple(g.indices())
    w = work.weights(p, state)
    s = {name: x for name, x in work.states_of(p, state).items() if name not in clock}
    rows: Any = {name: x[where] for name, x in s.items()} | clock
    g = work.scaled(as_real(g.values()).to(w.dtype), p.device)
    w[where], new = work.update(clock["step"], w[where], g, rows, **work.numbers)
    changed = {name: s[name] for name in s.keys() & new.keys()}
    for name, x in changed.items():
        x[where] = new[name]
    if work.mode == "differentiable" or not work.memory.as_is(p):
        work.store(p, state, changed, clock)
        work.put(p, state, w, clock)
