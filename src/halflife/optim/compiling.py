"""What ``optimizer.step()`` is to ``torch.compile``: an operator in the graph, or a break of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .stepping import Judge, Stepping

if TYPE_CHECKING:
    from .optimizer import Optimizer

TRACEABLE = torch.__version__ >= "2.13"
"""Whether this torch can call a function on the live optimizer while it traces: 2.6 cannot, 2.13 is tested."""


def step_compiling(stepping: Stepping, optimizer: Optimizer, judge: Judge) -> bool:
    """``stepping.step`` for a graph that is being traced; imports Dynamo, which is there by then."""
    if not TRACEABLE:
        return step_untraced(stepping, optimizer, judge)
    from .traced import step_traced  # noqa: PLC0415

    return step_traced(stepping, optimizer, judge)


@torch._disable_dynamo
def step_untraced(stepping: Stepping, optimizer: Optimizer, judge: Judge) -> bool:
    """``stepping.step`` left to Python, counting included: a group that traced code writes to becomes capturable."""
    if not stepping.step(optimizer, judge):
        optimizer._count_skipped()
    return True
