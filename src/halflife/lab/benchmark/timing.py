"""Taking times: contender by contender, round after round, so that a machine that drifts hits all alike."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from statistics import median
from time import perf_counter

import torch
from torch.nn import Parameter

from .contenders import Contender, Running
from .sets import Gradients, ParameterSet

MOST_REPETITIONS = 100_000


class Arena:
    """The parameters and gradients that all contenders step in turn; each brings only its own state."""

    def __init__(self, parameters: ParameterSet, gradients: Gradients) -> None:
        self.fresh = gradients == "fresh"
        self.params = [Parameter(torch.empty(shape)) for shape in parameters.shapes]
        self.templates = [torch.empty(shape) for shape in parameters.shapes]

    def reset(self) -> None:
        """The same weights and gradients for every optimizer: neither clipped, nor carried off by the one before."""
        generator = torch.Generator().manual_seed(0)
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
        step = running.step
        if not self.fresh:
            start = perf_counter()
            for _ in range(repetitions):
                step()
            return (perf_counter() - start) / repetitions
        total = 0.0
        for _ in range(repetitions):
            self.renew(running.optimizer)
            start = perf_counter()
            step()
            total += perf_counter() - start
        return total / repetitions


@dataclass
class Lane:
    """A contender's steps and the seconds that they took, one number a round."""

    contender: Contender
    running: Running
    repetitions: int = 1
    seconds: list[float] = field(default_factory=list[float])


def calibrate(lane: Lane, arena: Arena, least: float) -> None:
    """Take two steps, which makes the states, then as many repetitions as fill ``least`` seconds a round."""
    arena.seconds(lane.running, 2)
    once = arena.seconds(lane.running, 1)
    if once < least:
        once = median(arena.seconds(lane.running, 3) for _ in range(3))
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
