"""Taking turns: several implementations step the same weights, round after round, neighbours in time.

What is compared is the ratio of neighbours; every other round goes in the other direction. The optimizers are made anew
several times, every other time in the other order, so that where their states happen to lie does not decide.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from math import ceil
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch.nn import Parameter

Shapes = tuple[tuple[int, ...], ...]


class Arena:
    """The weights and gradients that all step in turn; each brings only its own state."""

    def __init__(self, shapes: Shapes) -> None:
        generator = torch.Generator().manual_seed(0)
        self.params = [Parameter(torch.empty(s).uniform_(-0.05, 0.05, generator=generator)) for s in shapes]
        self.gradients = [torch.empty(s).uniform_(-0.01, 0.01, generator=generator) for s in shapes]
        self.keep()

    def keep(self) -> None:
        for p, g in zip(self.params, self.gradients, strict=True):
            p.grad = g

    def renew(self) -> None:
        """Elsewhere in memory, as a backward pass leaves them after ``zero_grad(set_to_none=True)``."""
        for p, g in zip(self.params, self.gradients, strict=True):
            p.grad = None
            p.grad = g.clone()


@dataclass
class Lane:
    """Someone's steps; ``seconds`` holds one number a round."""

    name: str
    optimizers: list[Any]
    step: Callable[[], object]
    repetitions: int = 1
    seconds: list[float] = field(default_factory=list)

    def once(self, mode: str, arena: Arena) -> float:
        """Seconds a step, the median of the repetitions: a step during which another process ran does not count."""
        clock, step, times = perf_counter, self.step, list[float]()
        groups = [group for each in self.optimizers for group in each.param_groups]
        rates = cycle([1e-3, 0.9e-3, 0.8e-3])
        for _ in range(self.repetitions):
            if mode == "fresh":
                arena.renew()
            start = clock()
            if mode == "scheduled":
                lr = next(rates)
                for group in groups:
                    group["lr"] = lr
            step()
            times.append(clock() - start)
        return median(times)


Make = Callable[[list[Parameter]], Lane]
"""From the arena's parameters to a lane, with an optimizer of its own."""


@dataclass
class Panel:
    """What is timed together. ``pairs`` are (title, numerator, denominator) of the ratios that are shown."""

    title: str
    shapes: Shapes
    mode: str
    makes: list[Make]
    pairs: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Timing:
    """How long and how often."""

    rounds: int
    builds: int
    round_seconds: float


def time_panel(panel: Panel, timing: Timing, tick: Callable[[str], None]) -> dict[str, list[float]]:
    """Seconds a step of every lane, one number a round, in the order of the rounds."""
    arena, found = Arena(panel.shapes), dict[str, list[float]]()
    for build in range(timing.builds):
        arena.keep()
        order = 1 if build % 2 == 0 else -1
        lanes = [make(arena.params) for make in panel.makes[::order]][::order]
        for lane in lanes:
            _calibrate(lane, panel.mode, arena, timing.round_seconds)
        _alternate(lanes, panel.mode, arena, ceil(timing.rounds / timing.builds), build, timing, tick)
        for lane in lanes:
            found.setdefault(lane.name, []).extend(lane.seconds)
        del lanes
        gc.collect()
    return found


def _calibrate(lane: Lane, mode: str, arena: Arena, least: float) -> None:
    lane.once(mode, arena)  # makes the states
    lane.repetitions = 3
    once = min(lane.once(mode, arena) for _ in range(2))
    lane.repetitions = max(3, ceil(least / max(once, 1e-9))) if once < 0.1 else 1


def _alternate(
    lanes: list[Lane], mode: str, arena: Arena, rounds: int, build: int, timing: Timing, tick: Callable[[str], None]
) -> None:
    """Each round in the other direction, so that old and new stay neighbours and take turns in being first."""
    gc.disable()
    try:
        for index in range(rounds):
            tick(f"round {build * rounds + index + 1}/{rounds * timing.builds}")
            for lane in lanes if index % 2 == 0 else lanes[::-1]:
                if lane.repetitions > 1:  # the caches hold the last one's states
                    most, lane.repetitions = lane.repetitions, 1
                    lane.once(mode, arena)
                    lane.repetitions = most
                lane.seconds.append(lane.once(mode, arena))
    finally:
        gc.enable()
