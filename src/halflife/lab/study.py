"""One study: plan its cells, train what the ledger lacks, say what was found."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from .errors import StudyError
from .executors import Outcome, Replicas, Training, train
from .findings import Findings, findings
from .ledger import Ledger, Run, key_of
from .optimizers import REFERENCE, Contender
from .problems import PROBLEMS
from .settings import Settings


class Progress(NamedTuple):
    """How far a study is: ``done`` of ``total`` replicas (those in training by their share), ``trained`` of them now.

    ``doing`` names the optimizer in training; ``best`` the best cell of those that are finished.
    """

    done: float
    total: int
    trained: float
    doing: str
    best: Findings | None


class Result(NamedTuple):
    """What a study found: each optimizer in the order asked for, and Adam without decay to compare with."""

    settings: Settings
    problem: str
    findings: list[Findings]
    reference: Findings
    ledger: Path


@dataclass(frozen=True)
class Block:
    """One optimizer's replicas, which are trained together: by seed, then lr, then λ."""

    contender: Contender
    lrs: tuple[float, ...]
    lams: tuple[float, ...]
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.lrs) * len(self.lams) * len(self.seeds)

    def cells(self) -> list[tuple[float, float]]:
        return list(product(self.lrs, self.lams))

    def replicas(self) -> Replicas:
        cells = self.cells()
        return Replicas(self.contender, tuple(lr for lr, _ in cells), tuple(lam for _, lam in cells), self.seeds)


class Study:
    """``Study(settings, folder).run()``: the results land in ``folder/study.db``, and what is there is not rerun.

    Raises ``StudyError`` if the settings cannot be met or the folder cannot be written.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.path = settings, folder / "study.db"
        problem = PROBLEMS[settings.problem]() if isinstance(settings.problem, str) else settings.problem
        if settings.batch_size > len(problem.train):
            raise StudyError(
                f"a batch of {settings.batch_size} does not fit: {problem.name} has {len(problem.train)} samples."
            )
        self.training = Training(problem, problem.model, settings.recipe)

    def blocks(self) -> list[Block]:
        """The plan, the reference first."""
        settings, seeds = self.settings, tuple(range(self.settings.seeds))
        planned = [(settings.adapted(REFERENCE), REFERENCE.lams)] + [
            (c, settings.lams_of(c)) for c in settings.contenders()
        ]
        return [Block(c, tuple(sorted(settings.lrs)), tuple(sorted(lams)), seeds) for c, lams in planned]

    def run(self, progress: Callable[[Progress], None] = lambda report: None) -> Result:
        with Ledger(self.path) as ledger:
            ledger.open_study(asdict(self.settings), __version__)
            teller = _Teller(progress, sum(map(len, self.blocks())))
            reference, *found = [self._block(block, ledger, teller) for block in self.blocks()]
        return Result(self.settings, self.training.problem.description, found, reference, self.path)

    def _block(self, block: Block, ledger: Ledger, teller: _Teller) -> Findings:
        """Train the block unless it is in the ledger, whole: replicas that are trained together finish together."""
        keys = self._keys(block)
        if len(ledger.find(keys)) < len(keys):
            start = time.perf_counter()
            outcome = train(self.training, block.replicas(), teller.within(block))
            ledger.record(self._runs(block, keys, outcome, time.perf_counter() - start))
        else:
            teller.skipped += len(block)
        done = ledger.find(keys)
        found = findings(
            block.contender, block.lrs, block.lams, [done[key] for key in keys], self.training.problem.chance
        )
        teller.finish(block, found)
        return found

    def _keys(self, block: Block) -> list[str]:
        problem, settings = self.training.problem, self.settings
        common: dict[str, Any] = {
            "problem": [problem.name, problem.fingerprint],
            "model": str(self.training.model()),
            "optimizer": [block.contender.name, str(block.contender.update)],
            "recipe": asdict(settings.recipe),
            "version": __version__,
        }
        return [
            key_of({**common, "lr": lr, "lam": lam, "seed": seed})
            for seed, (lr, lam) in product(block.seeds, block.cells())
        ]

    def _runs(self, block: Block, keys: list[str], outcome: Outcome, seconds: float) -> list[Run]:
        results = _columns(outcome)
        jobs = product(block.seeds, block.cells())
        return [
            Run(
                key=key,
                problem=self.settings.problem,
                optimizer=block.contender.name,
                lr=lr,
                lam=lam,
                seed=seed,
                epochs=self.settings.epochs,
                version=__version__,
                seconds=seconds / len(block),
                **{name: values[index] for name, values in results.items()},
            )
            for index, (key, (seed, (lr, lam))) in enumerate(zip(keys, jobs, strict=True))
        ]


def _columns(outcome: Outcome) -> dict[str, list[Any]]:
    """The results by their names in the ledger, in the order of the block's jobs."""
    scores = {
        f"{split}_{what}": getattr(getattr(outcome, split), what)
        for split, what in product(("train", "val", "test"), ("loss", "error"))
    }
    tensors = {**scores, "weight_norm": outcome.weight_norm, "diverged": outcome.diverged}
    return {name: tensor.flatten().tolist() for name, tensor in tensors.items()}


class _Teller:
    """Turns what the blocks say into ``Progress``."""

    def __init__(self, listener: Callable[[Progress], None], total: int) -> None:
        self.listener, self.total = listener, total
        self.done, self.skipped = 0, 0
        self.best: Findings | None = None

    def within(self, block: Block) -> Callable[[float], None]:
        self._tell(self.done, block)
        return lambda share: self._tell(self.done + share * len(block), block)

    def finish(self, block: Block, found: Findings) -> None:
        self.done += len(block)
        if self.best is None or found.val_error.mean < self.best.val_error.mean:
            self.best = found
        self._tell(self.done, block)

    def _tell(self, done: float, block: Block) -> None:
        self.listener(Progress(done, self.total, done - self.skipped, block.contender.label, self.best))
