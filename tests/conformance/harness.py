"""One cell run twice: by the library, through its public face, and by the oracle."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR

import halflife
from halflife.optim import stepper
from halflife.regularizers import Regularizer

from .cells import CLASSES, Cell
from .oracle import simulate

STEPS = 24
LR = (0.02, 0.05)
WEIGHT_DECAY = (0.4, 0.9)
SHAPE = (3, 4)


def schedule(k: int) -> float:
    """η: up from a half to one, and down again."""
    return 0.5 + 0.5 * float(np.sin(np.pi * k / STEPS))


def problem(cell: Cell) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """For each of two groups the first weights and the gradients; the same for all cells of a rule's variant."""
    return _problem(cell.rule, cell.flag)


@lru_cache(maxsize=4)
def _problem(rule: str, flag: int) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    rng = np.random.default_rng(zlib.crc32(f"{rule}{flag}".encode()))
    weights = [rng.normal(size=SHAPE) for _ in LR]
    return weights, [[rng.normal(size=SHAPE) + 0.3 * w for _ in range(STEPS)] for w in weights]


def spec(regularizer: Regularizer) -> tuple[str, dict[str, Any]]:
    settings = regularizer.spec()
    name = settings.pop("name")
    return name, {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}


def by_oracle(cell: Cell, scale: float = 1.0) -> list[np.ndarray]:
    """The two groups' last weights, λ multiplied by ``scale``."""
    last = []
    for lr, λ, w, grads in zip(LR, WEIGHT_DECAY, *problem(cell), strict=True):
        path = simulate(
            cell.rule,
            w,
            grads,
            lr=[lr * schedule(k) for k in range(STEPS)],
            base_lr=lr,
            weight_decay=[λ * scale] * STEPS,
            decay=cell.decay,
            regularizer=spec(cell.regularizer),
            options=cell.options,
        )
        last.append(path[-1])
    return last


def begin(
    cell: Cell, scale: float = 1.0, engine: Any = None, dtype: torch.dtype = torch.float64, **flags: Any
) -> tuple[list[torch.nn.Parameter], halflife.Optimizer, LambdaLR]:
    """The cell's parameters, their optimizer of two groups and one of torch's schedulers."""
    params = [torch.nn.Parameter(torch.tensor(w, dtype=dtype)) for w in problem(cell)[0]]
    groups = [
        {"params": [p], "lr": lr, "weight_decay": λ * scale} for p, lr, λ in zip(params, LR, WEIGHT_DECAY, strict=True)
    ]
    decay = cell.decay if isinstance(cell.decay, str) else cell.treatment
    optimizer = CLASSES[cell.rule](
        groups, **cell.options, decay=decay, regularizer=cell.regularizer, engine=engine, **flags
    )
    return params, optimizer, LambdaLR(optimizer, schedule)


@contextmanager
def engines_taken() -> Iterator[set[str]]:
    """The names of the engines that steps choose within; a step that keeps the last one's plan chooses none anew."""
    taken, choose = set[str](), stepper.choose

    def noted(*asked: Any) -> Any:
        chosen = choose(*asked)
        taken.update(choice.name for choice, _ in chosen)
        return chosen

    with patch.object(stepper, "choose", noted):
        yield taken


def by_library(cell: Cell, scale: float = 1.0, engine: Any = None, **flags: Any) -> list[np.ndarray]:
    """The same, by the optimizer, two groups under one of torch's schedulers; ``engine`` is which one must run."""
    params, optimizer, scheduler = begin(cell, scale, engine, **flags)
    grads = problem(cell)[1]
    with engines_taken() as taken:
        for k in range(STEPS):
            for p, g in zip(params, grads, strict=True):
                p.grad = torch.tensor(g[k], dtype=p.dtype)
            optimizer.step()
            scheduler.step()
    assert engine is None or taken == {engine}, f"{sorted(taken)} stepped, not {engine}"
    return [p.detach().numpy().copy() for p in params]


def distance(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    return max(float(np.abs(x - y).max()) for x, y in zip(a, b, strict=True))
