"""What a study is to train: a block for each optimizer, a key for each network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from ... import __version__
from ..problems import Problem
from ..store.ledger import key_of
from ..training import Training, TrialBatch
from .code_digest import code_of_file, code_of_problem
from .optimizers import BASELINE, OptimizerSpec
from .settings import Settings
from .user_code import OwnTraining, is_own, parts_of


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
    lrs, seeds = tuple(sorted(settings.lrs)), tuple(range(settings.seeds))
    yield GridSpec(settings.adapted(BASELINE), lrs, BASELINE.lams, seeds)
    for spec in settings.optimizer_specs():
        yield GridSpec(spec, lrs, tuple(sorted(settings.lams_of(spec))), seeds)


def _own_code(problem: str | Problem, model: nn.Module) -> str:
    """A digest of a problem's own code; of those of the library their names are enough."""
    if isinstance(problem, Problem):
        return code_of_problem(problem, model)
    return code_of_file(Path(parts_of(problem)[0])) if is_own(problem) else ""


class Keys:
    """The ledger's key of each network of a training: a hash of everything that its result depends on."""

    def __init__(self, training: Training | OwnTraining, settings: Settings) -> None:
        self.common: dict[str, Any] = {"recipe": asdict(settings.recipe), "version": __version__}
        if isinstance(training, Training):
            problem, model = training.problem, training.model()
            self.common |= {"problem": [problem.name, problem.fingerprint], "model": str(model)}
            code = _own_code(settings.problem, model)
            self.common |= {"code": code} if code else {}
        else:
            self.common |= {"problem": [training.name, training.fingerprint], "model": "own"}

    def of(self, spec: OptimizerSpec, cell: Cell) -> str:
        optimizer = spec.key
        return key_of({**self.common, "optimizer": optimizer, **cell._asdict()})
