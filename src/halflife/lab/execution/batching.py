"""Replicas cut in batches: as few stacks as memory, cache and workers allow. The same arguments, the same batches."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise, product
from math import ceil
from typing import TypeVar

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from ..config.optimizers import OptimizerSpec
from ..training.trainer import seeded
from ..training.training import Training, TrialBatch

T = TypeVar("T")

WORTH_A_WORKER = 24
"""Replicas in a stack under which Python's share of a step shows; so for a worker's sake none is cut smaller."""

CACHED = 32 << 20
"""Bytes of a stack beyond which its weights leave the cache between two steps: 98 small perceptrons together take 15 %
longer each than 49. A constant, so that a study is cut alike on every machine.
"""

SLACK = 2.0
"""A stack's memory over what is counted: activations that are in the making, fragments."""


def batches_of(
    training: Training, replicas: TrialBatch, workers: int = 1, memory: int | None = None, way: str = "stacked"
) -> list[TrialBatch]:
    """``replicas`` in batches, each a product of seeds and cells again.

    Stacked: the fewest that fit in ``memory`` bytes together (half of the machine's unless given), ``workers`` of them
    at a time, fit in the cache each, as far as that leaves them worth a worker, and occupy all workers, if there are
    enough replicas. Singly: each replica for itself.
    """
    if way == "singly":
        cells = zip(replicas.lrs, replicas.lams, strict=True)
        return [
            replace(replicas, lrs=(lr,), lams=(lam,), seeds=(s,)) for s, (lr, lam) in product(replicas.seeds, cells)
        ]
    share = (memory or machine_memory() // 2) / max(1, workers)
    each = bytes_of(training, replicas.spec)
    capacity = max(1, min(int(share / each), max(WORTH_A_WORKER, CACHED // each)))
    return [batch for row in cut(replicas, capacity, workers) for batch in row]


def cut(replicas: TrialBatch, capacity: int, workers: int) -> list[list[TrialBatch]]:
    """Rows of seeds in columns of cells, each of at most ``capacity`` replicas."""
    cells, seeds = tuple(zip(replicas.lrs, replicas.lams, strict=True)), replicas.seeds
    wanted = min(workers, max(1, len(replicas) // WORTH_A_WORKER))
    grids = product(range(1, len(seeds) + 1), range(1, len(cells) + 1))
    fitting = [
        (rows * columns, columns, rows)
        for rows, columns in grids
        if ceil(len(seeds) / rows) * ceil(len(cells) / columns) <= capacity and rows * columns >= wanted
    ]
    _, columns, rows = min(fitting, default=(0, len(cells), len(seeds)))
    return [[_part(replicas, some, of) for some in _parts(cells, columns)] for of in _parts(seeds, rows)]


def _part(replicas: TrialBatch, cells: tuple[tuple[float, float], ...], seeds: tuple[int, ...]) -> TrialBatch:
    lrs, lams = zip(*cells, strict=True)
    return replace(replicas, lrs=lrs, lams=lams, seeds=seeds)


def _parts(items: tuple[T, ...], n: int) -> list[tuple[T, ...]]:
    """``items`` cut in ``n`` runs that differ in length by one at most."""
    cuts = [len(items) * i // n for i in range(n + 1)]
    return [items[a:b] for a, b in pairwise(cuts)]


def machine_memory() -> int:
    """All of it, in bytes; 8 GiB where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 << 30


def bytes_of(training: Training, spec: OptimizerSpec) -> int:
    """What one replica takes in a stack: weights, gradients and states, its batch, and what its loss keeps for the
    backward pass, measured by one.
    """
    problem, size = training.problem, training.recipe.batch_size
    inputs, targets = problem.train.inputs[:size], problem.train.targets[:size]
    with torch.random.fork_rng(devices=[]):
        model = seeded(training, 0).train()
        weights = {x.data_ptr(): x.nbytes for x in model.parameters()}
        kept = dict[int, int]()
        with torch.enable_grad(), saved_tensors_hooks(lambda x: _count(x, kept), lambda x: x):
            problem.loss(model(inputs), targets)
    activations = sum(kept[at] for at in kept.keys() - weights.keys())
    rule = spec.update.rule if spec.update else None
    states = 2 + (sum(isinstance(x, Tensor) for x in rule.start(torch.zeros(1), 1.0).values()) if rule else 2)
    buffers = sum(x.nbytes for x in model.buffers())
    return int(SLACK * (activations + inputs.nbytes + targets.nbytes) + states * sum(weights.values()) + buffers)


def _count(x: Tensor, kept: dict[int, int]) -> Tensor:
    kept[x.data_ptr()] = x.untyped_storage().nbytes()
    return x
