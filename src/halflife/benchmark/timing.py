"""Taking times: contender by contender, round after round, so that a machine that drifts hits all alike."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from math import ceil
from statistics import median
from typing import Any

import torch
from torch.nn import Parameter

from .contenders import Contender, Entry, Running
from .devices import Cpu, Device
from .sets import Gradients, ParameterSet

MOST_REPETITIONS = 100_000
RATES = 512
"""How many learning rates a schedule here goes through, from the first one down to half of it, and again."""


class Arena:
    """The parameters and gradients that all contenders step in turn; each brings only its own state."""

    def __init__(self, parameters: ParameterSet, gradients: Gradients, device: Device | None = None) -> None:
        self.gradients, self.device = gradients, device or Cpu()
        where = self.device.where
        self.params = [Parameter(torch.empty(shape, device=where)) for shape in parameters.shapes]
        self.templates = [torch.empty(shape, device=where) for shape in parameters.shapes]
        self._ticks = count()

    def taken(self, entry: Entry) -> list[Parameter]:
        """Those that its rule takes."""
        return [p for p in self.params if not entry.obstacle(p)]

    def reset(self) -> None:
        """The same weights and gradients for every optimizer: neither clipped, nor carried off by the one before."""
        generator = torch.Generator(self.device.where).manual_seed(0)
        with torch.no_grad():
            for p, g in zip(self.params, self.templates, strict=True):
                p.uniform_(-0.05, 0.05, generator=generator)
                p.grad = g.uniform_(-0.01, 0.01, generator=generator)

    def renew(self, optimizer: torch.optim.Optimizer) -> None:
        """Gradients elsewhere in memory, as a backward pass leaves them after ``zero_grad(set_to_none=True)``."""
        optimizer.zero_grad(set_to_none=True)
        for p, g in zip(self.params, self.templates, strict=True):
            p.grad = g.clone()

    def seconds(self, running: Running, repetitions: int) -> float:
        """Seconds a step, on average over the repetitions; making fresh gradients is not counted."""
        if self.gradients == "fresh":
            total = 0.0
            for _ in range(repetitions):
                self.renew(running.optimizer)
                total += self.device.seconds(running.step, 1)
            return total / repetitions
        if self.gradients == "scheduled":
            return self._scheduled(running, repetitions) / repetitions
        return self.device.seconds(running.step, repetitions) / repetitions

    def _scheduled(self, running: Running, repetitions: int) -> float:
        """Each step with another learning rate than the one before, written into the groups as a scheduler does."""
        groups: list[dict[str, Any]] = running.optimizer.param_groups
        first, step, ticks = [group["lr"] for group in groups], running.step, self._ticks

        def moved() -> None:
            share = 1 - next(ticks) % RATES / (2 * RATES)
            for group, lr in zip(groups, first, strict=True):
                group["lr"] = share * lr
            step()

        total = self.device.seconds(moved, repetitions)
        for group, lr in zip(groups, first, strict=True):
            group["lr"] = lr
        return total


@dataclass
class Lane:
    """A contender's steps, the seconds that they took, one number a round, and the bytes that one of them holds."""

    contender: Contender
    running: Running
    repetitions: int = 1
    seconds: list[float] = field(default_factory=list[float])
    temporaries: int | None = None


def calibrate(lane: Lane, arena: Arena, least: float) -> None:
    """Take two steps, which makes the states, then as many repetitions as fill ``least`` seconds a round."""
    arena.seconds(lane.running, 2)
    once = arena.seconds(lane.running, 1)
    if once < least:
        once = median(arena.seconds(lane.running, 3) for _ in range(3))
    lane.temporaries = arena.device.temporaries(lane.running.step)
    lane.repetitions = min(max(1, ceil(least / max(once, 1e-9))), MOST_REPETITIONS)


def take_times(
    lanes: Sequence[Lane], arena: Arena, rounds: int, warm_up: int, tick: Callable[[], None] = lambda: None
) -> None:
    """Fill every lane with ``rounds`` times; each round begins with another contender."""
    with _no_collection():
        for index in range(warm_up + rounds):
            shift = index % max(1, len(lanes))
            for lane in [*lanes[shift:], *lanes[:shift]]:
                if lane.repetitions > 1:
                    arena.seconds(lane.running, 1)  # the caches hold the last contender's states
                seconds = arena.seconds(lane.running, lane.repetitions)
                if index >= warm_up:
                    lane.seconds.append(seconds)
            tick()


@contextmanager
def _no_collection() -> Generator[None, None, None]:
    """No garbage collection in the middle of a step."""
    was, _ = gc.isenabled(), gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Stream:
    """The rate of the device's stream: what a step's memory traffic can be held against."""

    def __init__(self, device: Device, numbers: int | None = None) -> None:
        self.device, self.numbers, self._seconds = device, numbers or device.stream_numbers, list[float]()

    def measure(self, rounds: int) -> None:
        """Add some rounds; the arrays live no longer than this."""
        a, b = (torch.ones(self.numbers, device=self.device.where) for _ in range(2))
        for index in range(rounds + 1):
            seconds = self.device.seconds(lambda: self.device.stream(a, b), 1)
            if index:
                self._seconds.append(seconds)

    @property
    def gigabytes_per_second(self) -> float:
        ordered = sorted(self._seconds)
        return self.device.stream_bytes * self.numbers / ordered[len(ordered) // 2] / 1e9
