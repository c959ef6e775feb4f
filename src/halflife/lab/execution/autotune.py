"""Which way pays for this model: a few steps of a small stack beside the same ones singly, in CPU seconds.

Stacking saves what a step costs beside arithmetic. Where arithmetic is nearly all, as in wide convolutions, a stack's
grouped operations can be slower than the ones that they replace; and some code cannot be stacked at all.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import nan
from typing import Literal, NamedTuple

import torch

from ..config.optimizers import OptimizerSpec
from ..training.sequential import SequentialTrainer
from ..training.thread_setup import set_up_thread
from ..training.trainer import Trainer
from ..training.training import Training, TrialBatch
from ..training.vectorized import VectorizedTrainer
from .agreement import disagreement

REPLICAS = 8
SECONDS = 0.3
"""What each way is given, a first step aside."""

LR, LAM = 1e-6, 1e-6
"""Of the trial: nothing diverges in it."""


class AutotuneDecision(NamedTuple):
    """A way, a sentence that says why, and the seconds of a core that a network's step takes so (NaN: not measured)."""

    way: Literal["stacked", "singly"]
    why: str
    seconds: float = nan


def choose_mode(training: Training, spec: OptimizerSpec) -> AutotuneDecision:
    """Measured in a thread of its own, whatever this process has set; nothing of it is kept."""
    if training.device != "cpu":
        return AutotuneDecision("singly", f"stacks are for CPUs, and this is trained on {training.device}")
    if training.recipe.precision != "fp32":
        return AutotuneDecision("singly", f"in {training.recipe.precision} each network is trained by itself")
    with ThreadPoolExecutor(1, initializer=set_up_thread) as pool:
        return pool.submit(_try, training, spec).result()


def _try(training: Training, spec: OptimizerSpec) -> AutotuneDecision:
    one = TrialBatch(spec, (LR,), (LAM,), (0,))
    several = replace(one, lrs=(LR,) * REPLICAS, lams=(LAM,) * REPLICAS)
    with torch.random.fork_rng(devices=[]):
        alone = _seconds(lambda: SequentialTrainer(training, one))
        try:
            with torch.no_grad():
                stacked = _seconds(lambda: VectorizedTrainer(training, several)) / REPLICAS
            otherwise = disagreement(training, spec) if stacked < alone else ""
        except Exception as error:  # whatever vmap or the recording make of a model that they cannot take
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            return AutotuneDecision("singly", f"this model cannot be stacked: {reason}", alone)
    if otherwise:
        return AutotuneDecision("singly", f"a stack would not train this model as it trains alone: {otherwise}", alone)
    figures = f"{1e3 * stacked:.3g} ms of a core a network and step in a stack, {1e3 * alone:.3g} ms alone"
    return AutotuneDecision("stacked" if stacked < alone else "singly", figures, min(stacked, alone))


def _seconds(make: Callable[[], Trainer]) -> float:
    """The least that a step took, the first one aside."""
    run = make()
    steps = run.steps()
    next(steps)
    taken, start = list[float](), time.thread_time()
    while not taken or time.thread_time() - start < SECONDS:
        before = time.thread_time()
        if next(steps, None) is None:
            steps = run.steps()
            continue
        taken.append(time.thread_time() - before)
    return min(taken)
