"""The learning rate's schedule over a run, as an array: η = lr/α at each step."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Schedule: TypeAlias = str | Callable[[int], float] | None

WARM_UP = 0.1
"""The share of the steps over which "warmup-cosine" rises from 0."""

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda share: 1.0,
    "linear": lambda share: 1 - share,
    "cosine": lambda share: (1 + cos(pi * share)) / 2,
    "warmup-cosine": lambda share: (
        share / WARM_UP if share < WARM_UP else (1 + cos(pi * (share - WARM_UP) / (1 - WARM_UP))) / 2
    ),
}
"""η as a function of the share of the steps that are done: 0 at the first step."""


def multipliers(schedule: Schedule, steps: int | None) -> Array | None:
    """η at each of the run's steps; None for a constant learning rate whose end is not known.

    Raises ``ValueError`` for an unknown name, for a schedule without an end, or for one that is negative or all 0.
    """
    if steps is not None and not steps >= 1:
        raise ValueError(f"steps must be at least 1, but {steps} was given; it is the number of steps of the run.")
    if steps is None:
        if schedule is None or schedule == "constant":
            return None
        raise ValueError(
            f"schedule={schedule!r} never ends, so that its mean is not known; give steps=, the number of steps of the "
            "run."
        )
    eta = np.array(list(map(_of_step(schedule, steps), range(steps))), dtype=np.float64)
    if not (np.isfinite(eta).all() and (eta >= 0).all() and eta.any()):
        raise ValueError(
            f"schedule={schedule!r} must give a number of at least 0 at each of the {steps} steps, and not 0 at all of "
            "them; it is the learning rate divided by its base."
        )
    return eta


def _of_step(schedule: Schedule, steps: int) -> Callable[[int], float]:
    if callable(schedule):
        return schedule
    shape = SCHEDULES.get(schedule or "constant")
    if shape is None:
        raise ValueError(
            f"schedule={schedule!r} is not known; choose one of {', '.join(map(repr, SCHEDULES))}, or give a function "
            "of the step, counted from 0, that returns lr divided by its base."
        )
    return lambda k: shape(k / steps)
