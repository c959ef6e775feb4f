"""Rules of matrices on the CPU: their directions over lists, then one pass over memory for all that follows.

A direction is made of a whole matrix; decay, step, rounding and average are each coordinate's own. Those are what the
native engine does for SGD without momentum, whose gradient is its direction.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ..rules import SGD, Rule
from ..update import Update
from . import foreach
from .group_step import GroupStep
from .native_table import Table

SMALL = 1 << 16
"""Coordinates of a matrix up to which lists are faster: entering it in a table costs as much as what that spares."""


def run(step: GroupStep) -> None:
    """One step of every matrix of the group, in place."""
    for rows in foreach.alike(step).values():
        for batch in foreach.batches(rows):
            directions = [u.contiguous() for u in foreach.directions(step, batch)]
            params, states = [row.p for row in batch], [row.state for row in batch]
            part = replace(along(step), params=params, grads=directions, states=states)
            table = Table([part])
            table.fill([part])
            table.prepare([part.gradient])
            table.run(params)


def along(step: GroupStep) -> GroupStep:
    """The step along directions that are there, in the place of gradients."""
    return replace(step, update=Update(SGD(), step.update.decay, step.update.regularizer), gradient=1.0)


def obstacle(step: GroupStep) -> str | None:
    """Why decay and step cannot be parted from the direction, if so."""
    rule = step.update.rule
    if step.update.placed(step.lam).name == "before":
        return "a coupled decay is part of the gradient"
    own = [name for name in ("move", "rate", "finish") if getattr(type(rule), name) is not getattr(Rule, name)]
    if own or rule.scalars or rule.counts_steps:
        return f"the rule {type(rule).__name__} moves in a way of its own, or counts its steps"
    return None


def tensor_obstacle(step: GroupStep, p: Tensor) -> str | None:
    """Why this tensor cannot be stepped so, if it cannot."""
    if p.numel() <= SMALL:
        return "small matrices share each call"
    if step.memory.needs_clock(p.dtype):
        return "random bits go by the step count"
    return None if p.is_contiguous() else "a matrix does not lie row by row in memory"
