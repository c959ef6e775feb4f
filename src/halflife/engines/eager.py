"""The reference engine: one parameter after the other, any device, dtype and layout."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..rules import Scalar
from .work import ParameterState, Work, as_real


def run(work: Work) -> None:
    """One step of every parameter of the group, in place."""
    for p, g, state in zip(work.params, work.grads, work.states, strict=True):
        clock = work.read_clock(state)
        if work.direction == "maximize":
            g = -g  # noqa: PLW2901
        if g.is_sparse and work.update.rule.sparse == "touched":
            _step_touched(work, p, g.coalesce(), state, clock)
        else:
            _step(work, p, g, state, clock)


def _step(work: Work, p: Tensor, g: Tensor, state: ParameterState, clock: dict[str, Scalar]) -> None:
    w = as_real(p.clone() if work.mode == "differentiable" else p)
    s: dict[str, Any] = {name: as_real(x) for name, x in state.items()} | clock
    w, new = work.update(clock.get("step", 0.0), w, as_real(g), s, **work.numbers)
    work.store(p, state, new)
    as_real(p).copy_(w)


def _step_touched(work: Work, p: Tensor, g: Tensor, state: ParameterState, clock: dict[str, Scalar]) -> None:
    """The rule on the coordinates that a sparse gradient names, and on no other."""
    where = tuple(g.indices())
    names = state.keys() - clock.keys()
    s: dict[str, Any] = {name: state[name][where] for name in names} | clock
    p[where], new = work.update(clock["step"], p[where], g.values(), s, **work.numbers)
    for name in names & new.keys():
        state[name][where] = new[name]
