"""Learning rates and weight decays given as callables of the step, as TensorFlow's optimizers take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

COUNT = "halflife_convention_step"
"""How many steps a group has followed the callables; in the group, so that checkpoints keep it."""


class CallableSchedule:
    """Before each step, writes what the callables give for it, counted from 0, into every parameter group."""

    def __init__(self, callables: Mapping[str, Callable[[int], float]]) -> None:
        self.callables = dict(callables)

    def at(self, count: int) -> dict[str, float]:
        return {name: float(f(count)) for name, f in self.callables.items()}

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        if self.callables:
            optimizer.register_step_pre_hook(self)

    def __call__(self, optimizer: torch.optim.Optimizer, *arguments: Any) -> None:
        for group in optimizer.param_groups:
            count = group.get(COUNT, 0)
            for name, value in self.at(count).items():
                if isinstance(group[name], Tensor):
                    group[name].fill_(value)
                else:
                    group[name] = value
            group[COUNT] = count + 1
