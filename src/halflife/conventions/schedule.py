"""The learning rate's schedule over a run, η = lr/α, in arrays whose size does not grow with the run.

A schedule by name is asked at each step of a short run. A long run is cut into blocks, each as long as a small share of
what lies before it; three of its steps give a block's sums by Simpson's rule, which is exact for sums of cubics too.
A function of the step may be anything: it is asked at each, one piece of the run after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import ceil, cos, pi
from operator import index
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Schedule: TypeAlias = str | Callable[[int], float] | None

WARM_UP = 0.1
"""The share of the steps over which "warmup-cosine" rises from 0."""

CORNERS = {"warmup-cosine": (WARM_UP,)}
"""Where a schedule is not smooth: no block reaches across."""

LONGEST = 10**18
"""More steps than anybody takes."""

SINGLY = 1 << 18
"""Up to this many steps are asked one by one, in one piece."""

FINENESS = 1 << 11
"""A block's steps are at most those before it divided by this."""

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda share: 1.0,
    "linear": lambda share: 1 - share,
    "cosine": lambda share: (1 + cos(pi * share)) / 2,
    "warmup-cosine": lambda share: (
        share / WARM_UP if share < WARM_UP else (1 + cos(pi * (share - WARM_UP) / (1 - WARM_UP))) / 2
    ),
}
"""η as a function of the share of the steps that are done: 0 at the first step."""


@dataclass(frozen=True)
class Piece:
    """η at some steps, counted from 0, each of which stands for ``count`` of them."""

    step: Array
    eta: Array
    count: Array


@dataclass(frozen=True)
class Course:
    """A schedule over a run: ``pieces()`` from its first step to its last; ``moves``, whether η changes.

    ``steps`` is how many the run has, None for one without an end, whose η is 1.
    """

    steps: int | None
    eta_at: Callable[[int], float]
    pieces: Callable[[], Iterable[Piece]]
    moves: bool


def course(schedule: Schedule, steps: int | None) -> Course:
    """The course of a schedule over a run; without ``steps``, of a constant one whose end is not known.

    Raises ``ValueError`` for an unknown name, for a schedule without an end, or for one that is negative or all 0.
    """
    if steps is not None and not 1 <= steps <= LONGEST:
        wrong = "at least 1" if not steps >= 1 else f"at most {LONGEST:.0e}"
        raise ValueError(f"steps must be {wrong}, but {steps} was given; it is the number of steps of the run.")
    if steps is None:
        if schedule is None or schedule == "constant":
            endless = Piece(np.zeros(1), np.ones(1), np.ones(1))
            return Course(None, lambda k: 1.0, lambda: (endless,), False)
        raise ValueError(
            f"schedule={schedule!r} never ends, so that its mean is not known; give steps=, the number of steps of the "
            "run."
        )
    steps, eta_at = index(steps), _of_step(schedule, steps)
    pieces = _pieces(schedule, eta_at, steps)
    low, high = _extremes(pieces())
    if not 0 <= low <= high < np.inf or high == 0:
        raise ValueError(
            f"schedule={schedule!r} must give a number of at least 0 at each of the {steps} steps, and not 0 at all of "
            "them; it is the learning rate divided by its base."
        )
    return Course(steps, eta_at, pieces, low != high)


def _extremes(pieces: Iterable[Piece]) -> tuple[float, float]:
    """The least and the largest η; NaN where one is."""
    extremes = np.array([(piece.eta.min(), piece.eta.max()) for piece in pieces])
    return float(extremes.min()), float(extremes.max())


def _pieces(schedule: Schedule, eta_at: Callable[[int], float], steps: int) -> Callable[[], Iterable[Piece]]:
    """The pieces of a run: made once where there is one, else anew each time, as memory is to hold one alone."""
    if steps > SINGLY and callable(schedule):
        return lambda: (_singly(eta_at, k, min(SINGLY, steps - k)) for k in range(0, steps, SINGLY))
    whole = _singly(eta_at, 0, steps) if steps <= SINGLY else _in_blocks(eta_at, steps, CORNERS.get(str(schedule), ()))
    return lambda: (whole,)


def _singly(eta_at: Callable[[int], float], first: int, n: int) -> Piece:
    eta = np.fromiter(map(eta_at, range(first, first + n)), np.float64, n)
    return Piece(np.arange(first, first + n, dtype=np.float64), eta, np.ones(n))


def _in_blocks(eta_at: Callable[[int], float], steps: int, corners: Iterable[float]) -> Piece:
    """The first, the middle and the last step of each block, with the counts that are exact for sums of cubics."""
    steps_asked: list[int] = []
    counts: list[float] = []
    for first, n in _blocks(steps, corners):
        half = n // 2
        if half:
            count = (half + 1) * n / (6 * half)
            steps_asked += (first, first + half, first + n - 1)
            counts += (count, n - 2 * count, count)
        else:
            steps_asked.append(first)
            counts.append(1.0)
    eta = np.fromiter(map(eta_at, steps_asked), np.float64, len(counts))
    return Piece(np.array(steps_asked, dtype=np.float64), eta, np.array(counts))


def _blocks(steps: int, corners: Iterable[float]) -> Iterator[tuple[int, int]]:
    """The first step of each block and how many it has, which is odd."""
    k = 0
    for end in (*(ceil(share * steps) for share in corners), steps):
        while k < end:
            n = min(k // FINENESS, end - k)
            n = max(1, n - (n + 1) % 2)
            yield k, n
            k += n


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
