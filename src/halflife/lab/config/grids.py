"""What a study is to train: a grid for each optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from ..training import TrialBatch
from .optimizers import BASELINE, OptimizerSpec
from .settings import Settings


class Cell(NamedTuple):
    """One network of a block."""

    seed: int
    lr: float
    lam: float


@dataclass(frozen=True)
class GridSpec:
    """One optimizer's replicas: by seed, then lr, then λ."""

    spec: OptimizerSpec
    lrs: tuple[float, ...]
    lams: tuple[float, ...]
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.lrs) * len(self.lams) * len(self.seeds)

    def cells(self) -> list[Cell]:
        return [Cell(*cell) for cell in product(self.seeds, self.lrs, self.lams)]

    def replicas(self) -> TrialBatch:
        lrs, lams = zip(*product(self.lrs, self.lams), strict=True)
        return TrialBatch(self.spec, lrs, lams, self.seeds)


def trials_of(replicas: TrialBatch) -> list[Cell]:
    """In the order in which an ``Outcome`` lies, flattened."""
    pairs = zip(replicas.lrs, replicas.lams, strict=True)
    return [Cell(seed, lr, lam) for seed, (lr, lam) in product(replicas.seeds, pairs)]


def grids_of(settings: Settings) -> Iterator[GridSpec]:
    """The baseline first, then every optimizer in the order asked for; grids in increasing order."""
    seeds = tuple(range(settings.seeds))
    yield GridSpec(settings.adapted(BASELINE), settings.lrs_of(BASELINE), BASELINE.lams, seeds)
    for spec in settings.optimizer_specs():
        yield GridSpec(spec, settings.lrs_of(spec), settings.lams_of(spec), seeds)
