"""One study: plan its networks, train what the ledger lacks, say what was found."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from .analysis import Findings, findings
from .config.grids import GridSpec, grids_of, trials_of
from .config.settings import Settings
from .config.user_code import OwnTraining, is_own, load_own
from .errors import StudyError
from .execution import TrainingMode, batches_of, choose_mode
from .execution.config import CellFailed, ExecutionConfig, trained
from .machine import machine_facts
from .models.fitting import MODELS
from .problems import PROBLEMS, Problem, problem_named
from .progress import Listener, Progress, ProgressTracker
from .result import Result
from .store.keys import Keys
from .store.ledger import Ledger, RunRecord
from .store.records import rows_of, rows_of_own
from .training import Training, TrialBatch

__all__ = ["ExecutionConfig", "Progress", "Result", "Study"]


class Study:
    """``Study(settings, folder).run()``: the results land in ``folder/study.db``, and what is there is not rerun.

    ``origin`` says where the settings come from, for the report: the command, the reproduction and its scale.
    Raises ``StudyError`` if the settings cannot be met or the folder cannot be written.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path | str,
        how: ExecutionConfig | None = None,
        title: str = "",
        origin: Mapping[str, Any] | None = None,
    ) -> None:
        self.settings, self.folder, self.how = settings, Path(folder), how or ExecutionConfig()
        self.training = training_of(settings, self.how)
        self.problem = self.training.problem if isinstance(self.training, Training) else self.training
        self.names = self.problem.name, settings.model or "own"
        self.title = title or self.problem.name
        self.origin = origin or {}
        self.blocks = list(grids_of(settings))

    def run(self, listener: Listener = lambda progress: None) -> Result:
        with Ledger(self.folder / "study.db") as ledger:
            keys = Keys(self.training, self.settings)
            ledger.open_study(self._record(keys), __version__)
            way, why = self._way(ledger, listener)
            self._train(ledger, keys, way, ProgressTracker(listener, self.title, self.blocks))
            runs = {block.spec.name: self._runs(ledger, keys, block) for block in self.blocks}
        baseline, *found = [self._found(block, runs[block.spec.name]) for block in self.blocks]
        return Result(self.title, self.settings, self.problem, found, baseline, runs, ledger.path, f"{way}: {why}")

    def _record(self, keys: Keys) -> dict[str, Any]:
        """What a report needs to read the ledger alone."""
        problem = {name: getattr(self.problem, name) for name in ("name", "description", "unit", "chance")}
        about = {"title": self.title, "model": self.names[1], "problem": problem, "job": keys.common}
        about |= {"torch": torch.__version__, "machine": machine_facts()}
        return {**about, **self.origin, "settings": {**vars(self.settings), "problem": self.names[0]}}

    def _way(self, ledger: Ledger, listener: Listener) -> tuple[TrainingMode, str]:
        """Stacked or singly, and why; as it was settled when this model was first trained in this folder."""
        if not isinstance(self.training, Training):
            return "singly", "its own function trains each network"
        if self.how.executor == "processes":
            return "singly", "in worker processes, as asked"
        key = f"way of {self.names}"
        settled = ledger.settled(key)
        if settled is None:
            total = sum(map(len, self.blocks))
            listener(Progress(0, total, 0, f"{self.title}: trying whether stacks pay", None))
            settled = ledger.settle(key, "|".join(choose_mode(self.training, self.blocks[0].spec)))
        way, _, why = settled.partition("|")
        return ("stacked" if way == "stacked" else "singly"), why

    def _train(self, ledger: Ledger, keys: Keys, way: TrainingMode, tracker: ProgressTracker) -> None:
        """Train the batches that the ledger lacks, whole: what is trained together is written together."""
        done = ledger.find(keys.of(block.spec, cell) for block in self.blocks for cell in block.cells())
        workers = int(ledger.settle("workers", str(self.how.n_workers)))
        todo = [
            batch
            for block in self.blocks
            for batch in self._parcels(block, way, workers)
            if any(keys.of(batch.spec, cell) not in done for cell in trials_of(batch))
        ]
        tracker.begin(todo)
        checkpoints, failed = self.folder / "checkpoints", list[tuple[int, CellFailed]]()
        for index, outcome, seconds in trained(self.training, todo, way, self.how, tracker.hear, checkpoints):
            if isinstance(outcome, CellFailed):
                failed.append((index, outcome))
                tracker.finish(todo[index], lambda block: self._found(block, self._runs(ledger, keys, block)))
                continue
            ledger.record(self._rows(outcome, todo[index], keys, seconds))
            tracker.finish(todo[index], lambda block: self._found(block, self._runs(ledger, keys, block)))
        if failed:
            named = [(todo[index], why) for index, why in sorted(failed)]  # whoever was done first
            self._tell_of(named, len(todo), lambda block: not any(self._runs(ledger, keys, block)))
        if checkpoints.is_dir() and not any(checkpoints.iterdir()):
            checkpoints.rmdir()

    def _rows(self, outcome: Any, batch: TrialBatch, keys: Keys, seconds: float) -> list[RunRecord]:
        if isinstance(self.training, Training):
            return rows_of(outcome, batch, keys, self.names, self.settings.epochs, seconds)
        perfect = self.training.perfect
        return rows_of_own(outcome, batch, keys, self.names, self.settings.epochs, seconds, perfect)

    def _tell_of(
        self, failed: list[tuple[TrialBatch, CellFailed]], tried: int, is_empty: Callable[[GridSpec], bool]
    ) -> None:
        """Which networks ended in an error: they are missing, and tried again when the study is.

        Raises ``StudyError`` if there is none of an optimizer.
        """
        first, (error, trace) = failed[0]
        where = f"{first.spec.name} with lr {first.lrs[0]:g}, λ {first.lams[0]:g}, seed {first.seeds[0]}"
        lost = [block.spec.name for block in self.blocks if is_empty(block)]
        if lost:
            raise StudyError(f"every network of {lost[0]} failed; the first, {where}: {error}\n{trace}")
        warnings.warn(
            f"{len(failed)} of {tried} networks failed and are missing; the first was {where}: {error}. The same "
            "command tries them again.",
            RuntimeWarning,
            stacklevel=2,
        )

    def _parcels(self, block: GridSpec, way: TrainingMode, workers: int) -> list[TrialBatch]:
        """Cut for as many workers as there were at first: so a resumed study ends with the same bits anywhere."""
        if isinstance(self.training, Training):
            return batches_of(self.training, block.replicas(), workers, self.how.memory, way)
        whole = block.replicas()
        return [replace(whole, lrs=(c.lr,), lams=(c.lam,), seeds=(c.seed,)) for c in trials_of(whole)]

    def _runs(self, ledger: Ledger, keys: Keys, block: GridSpec) -> Sequence[RunRecord | None]:
        wanted = [keys.of(block.spec, cell) for cell in block.cells()]
        done = ledger.find(wanted)
        return [done.get(key) for key in wanted]

    def _found(self, block: GridSpec, runs: Sequence[RunRecord | None]) -> Findings:
        return findings(block.spec, block.lrs, block.lams, runs, self.problem.chance, self.problem.unit)


def training_of(settings: Settings, how: ExecutionConfig) -> Training | OwnTraining:
    """What is trained for every cell. Raises ``StudyError`` if the problem cannot be read or holds no batch."""
    problem = settings.problem
    if isinstance(problem, str):
        problem = load_own(problem) if is_own(problem) else problem_named(problem, how.data_dir)
    if isinstance(problem, OwnTraining):
        return replace(problem, epochs=settings.epochs, batch_size=settings.batch_size)
    if settings.batch_size > len(problem.train):
        raise StudyError(
            f"a batch of {settings.batch_size} does not fit: {problem.name} has {len(problem.train)} samples."
        )
    if settings.model is None and settings.problem not in PROBLEMS:
        _check_models(problem)
    model = problem.model if settings.model is None else partial(MODELS[settings.model], problem)
    return Training(problem, model, settings.recipe, how.device)


def _check_models(problem: Problem) -> None:
    """Raises ``StudyError`` where two calls give models with parameters in common: what one learned, the next has."""
    with torch.random.fork_rng(devices=[]):
        first, second = problem.model(), problem.model()
    if {*map(id, first.parameters())} & {*map(id, second.parameters())}:
        raise StudyError(
            f"the model of {problem.name} must be a new one at each call, but two calls gave the same parameters: "
            "build it within the function, as in model=lambda: torch.nn.Linear(4, 2)."
        )
