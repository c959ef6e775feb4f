"""η over a training: by name, a function of the share of the steps that are done, 0 at the first one."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi

import torch

DROPS = (0.3, 0.6, 0.8)
"""Where Loshchilov & Hutter's step schedule divides the learning rate by 5: after 30, 60 and 80 of 100 epochs."""

SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda share: (1 + cos(pi * share)) / 2,
    "constant": lambda share: 1.0,
    "drops": lambda share: 0.2 ** sum(share >= drop for drop in DROPS),
}


class ScheduledLr:
    """The learning rates of an optimizer's groups, each its own: what it is made with, times η.

    To be made before the first step. A group that has none takes ``lr``.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, lr: float) -> None:
        self.optimizer, self.lr = optimizer, lr
        self._first = [float(group.get("lr", lr)) for group in optimizer.param_groups]

    def set(self, η: float) -> None:
        """Give every group its own rate times η; one that was added later, ``lr`` times η."""
        for place, group in enumerate(self.optimizer.param_groups):
            group["lr"] = η * (self._first[place] if place < len(self._first) else self.lr)
