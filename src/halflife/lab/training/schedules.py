"""η over a training: by name, a function of the share of the steps that are done, 0 at the first one."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi

DROPS = (0.3, 0.6, 0.8)
"""Where Loshchilov & Hutter's step schedule divides the learning rate by 5: after 30, 60 and 80 of 100 epochs."""

SCHEDULES: dict[str, Callable[[float], float]] = {
    "cosine": lambda share: (1 + cos(pi * share)) / 2,
    "constant": lambda share: 1.0,
    "drops": lambda share: 0.2 ** sum(share >= drop for drop in DROPS),
}
