"""How large the gradients, updates and weights of a training are, entry by entry: counts in base-2 bins.

Zhuang et al. 2022, §4 (https://arxiv.org/abs/2202.00089): with BatchNorm gone, Adam with L2 makes updates that spread
over many octaves, AdamW's gather in a few. What is counted, at the last step of an epoch, over all entries of all
parameters:

- *gradient*: |g|, of the loss alone as backward leaves it (times the loss scale), without decay;
- *update*: |w′ − w|, all that the step changes, decay included;
- *weight*: |w′|, after the step.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..config.optimizers import OptimizerSpec
from ..errors import StudyError
from ..training import Training
from .batches import Batches
from .schedules import ScheduledLr
from .thread_setup import set_up_thread
from .trainer import seeded

KINDS = ("gradient", "update", "weight")
FIRST, LAST = -149, 128
"""Exponents of the bins: all of float32; what is smaller or larger falls in the bin at the end."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Magnitudes:
    """``counts[kind]`` is ``[epoch, bin]``: entries with 2^b ≤ |x| < 2^(b+1), b = ``first`` + bin; ``zeros[kind]``,
    ``[epoch]``, those that are 0. Entries that are not finite are not counted.
    """

    label: str
    lr: float
    lam: float
    seed: int
    epochs: tuple[int, ...]
    counts: dict[str, Counts]
    zeros: dict[str, Counts]
    first: int = FIRST


def record_magnitudes(
    training: Training, spec: OptimizerSpec, lr: float, lam: float, seed: int = 0, epochs: Sequence[int] = (1,)
) -> Magnitudes:
    """Train one network up to the last of ``epochs`` (counted from 1) and count at the end of each of them.

    Initialization, batches and schedule are the study's for that seed. A training that diverges keeps counting what is
    still finite. Raises ``StudyError`` for epochs that the recipe has not.
    """
    chosen = tuple(sorted(set(epochs)))
    if not chosen or chosen[0] < 1 or chosen[-1] > training.recipe.epochs:
        raise StudyError(f"magnitudes are recorded after epochs 1 … {training.recipe.epochs}, not after {epochs}.")
    with ThreadPoolExecutor(1, initializer=set_up_thread) as pool:
        counted = pool.submit(_recorded, training, spec, lr, lam, seed, chosen).result()
    counts = {kind: np.stack([counted[epoch][kind][0] for epoch in chosen]) for kind in KINDS}
    zeros = {kind: np.array([counted[epoch][kind][1] for epoch in chosen]) for kind in KINDS}
    return Magnitudes(spec.label, lr, lam, seed, chosen, counts, zeros)


def _recorded(
    training: Training, spec: OptimizerSpec, lr: float, lam: float, seed: int, chosen: tuple[int, ...]
) -> dict[int, dict[str, tuple[Counts, int]]]:
    with torch.random.fork_rng(devices=training.forked):
        model = seeded(training, seed).train()
    optimizer = spec.build(model, lr, lam)
    batches, scheduled, t = Batches(training, (seed,)), ScheduledLr(optimizer, lr), 0
    counted: dict[int, dict[str, tuple[Counts, int]]] = {}
    params = list(model.parameters())
    for epoch in range(1, chosen[-1] + 1):
        before: list[Tensor] = []
        for inputs, targets in batches.epoch():
            scheduled.set(training.multiplier(t))
            optimizer.zero_grad()
            (training.problem.loss(model(inputs[0]), targets[0]) * training.recipe.loss_scale).backward()
            t += 1
            if epoch in chosen and t == epoch * training.steps_per_epoch:
                before = [p.detach().clone() for p in params]
            optimizer.step()
        if epoch in chosen:
            counted[epoch] = _counted(params, before)
    return counted


@torch.no_grad()
def _counted(params: Sequence[Tensor], before: Sequence[Tensor]) -> dict[str, tuple[Counts, int]]:
    gradients = [p.grad for p in params if p.grad is not None]
    updates = [p - old for p, old in zip(params, before, strict=True)]
    return {kind: octave_counts(x) for kind, x in zip(KINDS, (gradients, updates, params), strict=True)}


@torch.no_grad()
def octave_counts(tensors: Sequence[Tensor]) -> tuple[Counts, int]:
    """How many entries lie in each base-2 bin, and how many are 0. Exact: by the exponent of each float."""
    values = torch.cat([x.detach().cpu().double().flatten() for x in tensors]).abs()
    values = values[values.isfinite()]
    zero = values == 0
    exponents = torch.frexp(values[~zero]).exponent.long() - 1  # |x| = m·2^e with ½ ≤ m < 1
    bins = exponents.clamp(FIRST, LAST) - FIRST
    return torch.bincount(bins, minlength=LAST - FIRST + 1).numpy(), int(zero.sum())
