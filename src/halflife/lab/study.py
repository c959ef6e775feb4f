"""One study: plan its networks, train what the ledger lacks, say what was found."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from .analysis import Findings, findings
from .config.axis import AxisPoint
from .config.grids import GridSpec, grids_of, trials_of
from .config.optimizers import OptimizerSpec
from .config.settings import Settings
from .config.task import training_of, with_head
from .errors import StudyError
from .execution import TrainingMode, batches_of, choose_mode
from .execution.budget import Budget, BudgetSpent
from .execution.config import CellFailed, ExecutionConfig, trained
from .machine import machine_facts
from .progress import Listener, Progress, ProgressTracker
from .result import Result
from .store.keys import Keys
from .store.ledger import Ledger, RunRecord
from .store.records import rows_of, rows_of_own
from .store.study_record import stored_specs
from .training import Training, TrialBatch

__all__ = ["ExecutionConfig", "Progress", "Result", "Study"]


class Study:
    """``Study(settings, folder).run()``: the results land in ``folder/study.db``, and what is there is not rerun.

    Args:
        settings: what is tried.
        folder: where it is written.
        how: where and how networks are trained.
        title: the study's; empty for the problem's.
        origin: where the settings come from, for the report: the command, the reproduction and its scale.
        point: where the study lies on a third axis, if on one.

    Raises:
        StudyError: if the settings cannot be met or the folder cannot be written.

    Example:
        >>> from halflife.lab import ExecutionConfig, Settings, Study
        >>> grid = Settings("ridge", optimizers="sgd", lrs=(0.01,), lams=(0.1, 1.0), seeds=1, epochs=1)
        >>> result = Study(grid, "study", ExecutionConfig("processes", workers=1)).run()
        >>> result.ledger.name, result.findings[0].best_lam
        ('study.db', 1.0)
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path | str,
        how: ExecutionConfig | None = None,
        title: str = "",
        origin: Mapping[str, Any] | None = None,
        point: AxisPoint | None = None,
    ) -> None:
        self.folder, self.how = Path(folder), how or ExecutionConfig()
        self.training = training_of(settings, self.how)
        self.settings = settings = with_head(settings, self.training)
        self.problem = self.training.problem if isinstance(self.training, Training) else self.training
        self.names = self.problem.name, settings.model or "own"
        self.title = title or self.problem.name
        self.origin, self.point = origin or {}, point
        self.grids = list(grids_of(settings))

    def run(self, listener: Listener = lambda progress: None) -> Result:
        """Train what the ledger lacks, and look at the whole.

        Args:
            listener: is told how far it is.

        Returns:
            What was found.
        """
        with Ledger(self.folder / "study.db") as ledger:
            keys = Keys(self.training, self.settings)
            ledger.open_study(self._record(keys), __version__)
            way, why = self._way(ledger, keys, listener)
            note = self._train(ledger, keys, way, ProgressTracker(listener, self.title, self.grids))
            rows = [self._runs(ledger, keys, grid) for grid in self.grids]
        baseline, *found = [self._found(grid, runs) for grid, runs in zip(self.grids, rows, strict=True)]
        runs = {grid.spec.name: of_grid for grid, of_grid in zip(self.grids, rows, strict=True)}
        words = f"{way}: {why}", note
        return Result(self.title, self.settings, self.problem, found, baseline, runs, ledger.path, *words, self.point)

    def _record(self, keys: Keys) -> dict[str, Any]:
        """What a report needs to read the ledger alone."""
        problem = {name: getattr(self.problem, name) for name in ("name", "description", "unit", "chance")}
        about = {"title": self.title, "model": self.names[1], "problem": problem, "job": keys.common}
        about |= {"torch": torch.__version__, "machine": machine_facts()}
        about |= {"axis": list(self.point)} if self.point else {}
        about |= {"specs": stored_specs(self.settings)} if stored_specs(self.settings) else {}
        return {**about, **self.origin, "settings": {**self.settings.stored, "problem": self.names[0]}}

    def _way(self, ledger: Ledger, keys: Keys, listener: Listener) -> tuple[TrainingMode, str]:
        """Stacked or singly, and why; as it was settled when this model was first trained in this folder.

        A folder knows executor and device of its first networks: where others go on, that is said, for rounding grows
        in a training, and the same cell may then end some points apart.
        """
        if not isinstance(self.training, Training):
            return "singly", "its own function trains each network"
        if self.settings.precision != "fp32":
            return "singly", f"in {self.settings.precision} each network is trained by itself"
        key, device = f"way of {self.names}", ledger.settle(f"device of {self.names}", self.how.device)
        executor, _, where = ledger.settle(f"executor of {self.names}", self._executor).partition("|")
        settled = ledger.settled(key)
        if settled is None and self.how.is_singly:
            settled = ledger.settle(key, "singly|in worker processes, as asked")
        if settled is None:
            total = sum(map(len, self.grids))
            listener(Progress(0, total, 0, f"{self.title}: trying whether stacks pay", None))
            decision = choose_mode(self.training, self.grids[0].spec)
            settled = ledger.settle(key, f"{decision.way}|{decision.why}")
        way, _, why = settled.partition("|")
        if way == "stacked" and self.how.is_singly:
            self._warn_of_mixing(ledger, keys, "trained in stacks", "each by itself")
            way, why = "singly", "in worker processes, as asked"
        elif where != self.how.where:
            self._warn_of_mixing(
                ledger, keys, f"trained {where} (executor {executor})", f"{self.how.where} ({self.how.executor})"
            )
        if device != self.how.device:
            self._warn_of_mixing(ledger, keys, f"trained on {device}", f"on {self.how.device}")
        return ("stacked" if way == "stacked" else "singly"), why

    @property
    def _executor(self) -> str:
        return f"{self.how.executor}|{self.how.where}"

    def _warn_of_mixing(self, ledger: Ledger, keys: Keys, before: str, now: str) -> None:
        wanted = {keys.of(grid.spec, cell) for grid in self.grids for cell in grid.cells()}
        if len(ledger.find(wanted)) == len(wanted):  # nothing is missing
            return
        warnings.warn(
            f"{self.folder} has networks of this model that were {before}; what is missing is now trained {now}, and "
            "rounding may set the same cell some points apart. Choose another --out to keep the two apart.",
            RuntimeWarning,
            stacklevel=2,
        )

    def _train(self, ledger: Ledger, keys: Keys, way: TrainingMode, tracker: ProgressTracker) -> str:
        """Train the batches that the ledger lacks, whole: what is trained together is written together.

        Under a budget seed by seed, so that what is finished when it is spent is a whole grid; says what is left.
        """
        done = ledger.find(keys.of(grid.spec, cell) for grid in self.grids for cell in grid.cells())
        workers = int(ledger.settle("workers", str(self.how.n_workers)))
        todo = [
            batch
            for grid in self.grids
            for batch in self._batches(grid, self._way_of(grid.spec, way), workers)
            if any(keys.of(batch.spec, cell) not in done for cell in trials_of(batch))
        ]
        tracker.begin(todo)
        failed, budget = list[tuple[TrialBatch, CellFailed]](), Budget(self.how.budget)
        for part in budget.parts(todo):
            failed += self._train_part(ledger, keys, part, way, tracker, budget)
        if failed:
            order = {id(batch): place for place, batch in enumerate(todo)}  # whoever was done first
            failed.sort(key=lambda one: order[id(one[0])])
            self._tell_of(failed, len(todo), lambda grid: not any(self._runs(ledger, keys, grid)))
        folder = self.folder / "checkpoints"
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        return budget.note(todo)

    def _train_part(
        self,
        ledger: Ledger,
        keys: Keys,
        part: list[TrialBatch],
        way: TrainingMode,
        tracker: ProgressTracker,
        budget: Budget,
    ) -> list[tuple[TrialBatch, CellFailed]]:
        """Those that failed; the others are in the ledger."""
        failed = list[tuple[TrialBatch, CellFailed]]()
        ways: list[TrainingMode] = [self._way_of(batch.spec, way) for batch in part]
        before, size = tracker.share, sum(map(len, part)) / max(tracker.todo, 1)

        def hear(share: float) -> None:
            tracker.hear(before + size * share)
            budget.check()

        with suppress(BudgetSpent):
            for index, outcome, seconds in trained(
                self.training, part, ways, self.how, hear, self.folder / "checkpoints"
            ):
                if isinstance(outcome, CellFailed):
                    failed.append((part[index], outcome))
                else:
                    ledger.record(self._rows(outcome, part[index], keys, seconds))
                tracker.finish(part[index], lambda grid: self._found(grid, self._runs(ledger, keys, grid)))
        return failed

    def _way_of(self, spec: OptimizerSpec, way: TrainingMode) -> TrainingMode:
        """Not every optimizer steps a stack."""
        return way if spec.is_stackable else "singly"

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
        lost = [grid.spec.name for grid in self.grids if is_empty(grid)]
        if lost:
            raise StudyError(f"every network of {lost[0]} failed; the first, {where}: {error}\n{trace}")
        warnings.warn(
            f"{len(failed)} of {tried} networks failed and are missing; the first was {where}: {error}. The same "
            "command tries them again.",
            RuntimeWarning,
            stacklevel=2,
        )

    def _batches(self, grid: GridSpec, way: TrainingMode, workers: int) -> list[TrialBatch]:
        """Cut for as many workers as there were at first: so a resumed study ends with the same bits anywhere."""
        whole = grid.replicas()
        if isinstance(self.training, Training) and self.how.budget is None:
            return batches_of(self.training, whole, workers, self.how.memory, way)
        seeds = [replace(whole, seeds=(seed,)) for seed in whole.seeds]
        if isinstance(self.training, Training):
            each = [batches_of(self.training, one, workers, self.how.memory, way) for one in seeds]
            return [batch for of_seed in each for batch in of_seed]
        return [replace(whole, lrs=(c.lr,), lams=(c.lam,), seeds=(c.seed,)) for c in trials_of(whole)]

    def _runs(self, ledger: Ledger, keys: Keys, grid: GridSpec) -> Sequence[RunRecord | None]:
        wanted = [keys.of(grid.spec, cell) for cell in grid.cells()]
        done = ledger.find(wanted)
        return [done.get(key) for key in wanted]

    def _found(self, grid: GridSpec, runs: Sequence[RunRecord | None]) -> Findings:
        return findings(grid.spec, grid.lrs, grid.lams, runs, self.problem.chance, self.problem.unit)
