"""What a study found."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .analysis import Findings
from .config.axis import AxisPoint
from .config.settings import Settings
from .config.user_code import OwnTraining
from .inference.intervals import Array
from .problems import Problem
from .store.ledger import RunRecord


class CurveSet(NamedTuple):
    """What was measured after every epoch, each of shape ``[seed, lr, λ, epoch]``."""

    val_error: Array
    train_loss: Array
    weight_norm: Array


@dataclass(frozen=True)
class Result:
    """One study: its title, what was learned, each optimizer's findings in the order asked for, and Adam without decay.

    Attributes:
        title: of the study.
        settings: what was tried.
        problem: what was learned.
        findings: each optimizer's.
        baseline: those of Adam without decay.
        runs: every network's row by the optimizer's name, by seed, then lr, then λ; None where one is missing.
        ledger: the file.
        way: how the networks were trained, and why so.
        note: what was left out, and why.
        point: where the study lies on a third axis, if on one.

    Example:
        >>> from halflife.lab import ExecutionConfig, Settings, Study
        >>> grid = Settings("ridge", optimizers="sgd", lrs=(0.01, 0.03), lams=(0.1, 1.0), seeds=1, epochs=1)
        >>> result = Study(grid, "study", ExecutionConfig("processes", workers=1)).run()
        >>> sgd = result.found("sgd")
        >>> result.leader is sgd, result.column(sgd, "val_error").shape
        (True, (1, 2, 2))
    """

    title: str
    settings: Settings
    problem: Problem | OwnTraining
    findings: list[Findings]
    baseline: Findings
    runs: Mapping[str, Sequence[RunRecord | None]]
    ledger: Path
    way: str
    note: str = ""
    point: AxisPoint | None = None

    @property
    def is_imported(self) -> bool:
        """Whether these are runs from elsewhere, of whose training nothing is known."""
        return self.way.startswith("elsewhere")

    def to_frame(self) -> Any:
        """A pandas DataFrame, a row for each finished network. Raises ``StudyError`` where pandas is not installed."""
        from .export import frame_of, rows_of_results  # noqa: PLC0415 (it imports this one)

        return frame_of(rows_of_results([self]))

    @property
    def leader(self) -> Findings:
        """The optimizer of the least validation error."""
        return min(self.findings, key=lambda found: found.val_error.mean)

    def found(self, name: str) -> Findings:
        """One optimizer's findings.

        Args:
            name: as in ``settings.optimizers``.

        Returns:
            The findings.
        """
        return next(found for found in self.findings if found.spec.name == name)

    def column(self, found: Findings, name: str) -> Array:
        """A number of the ledger for every network of an optimizer.

        Args:
            found: the optimizer's findings.
            name: of the number, ``weight_norm`` for instance.

        Returns:
            An array ``[seed, lr, λ]``; NaN where one is missing.
        """
        rows = self.runs.get(found.spec.name) or [None] * found.val.size
        return np.array([getattr(run, name, np.nan) for run in rows], dtype=float).reshape(found.val.shape)

    def final_norm(self, found: Findings, lr: float, lam: float) -> float:
        """The norm of all weights at the end of a cell's trainings.

        Args:
            found: the optimizer's findings.
            lr, lam: the cell.

        Returns:
            The mean over the seeds.
        """
        norms = self.column(found, "weight_norm")
        return float(np.nanmean(norms[:, found.lrs.index(lr), found.lams.index(lam)]))

    def curves(self, found: Findings) -> CurveSet | None:
        """What was measured after every epoch.

        Args:
            found: the optimizer's findings.

        Returns:
            Arrays ``[seed, lr, λ, epoch]``; None if the study did not ask for them.
        """
        kept = [run.curves if run is not None else None for run in self.runs[found.spec.name]]
        if not any(kept):
            return None
        blank = np.full((3, self.settings.epochs), np.nan, np.float32)
        each = [blank if one is None else np.frombuffer(one, np.float32).reshape(3, -1) for one in kept]
        return CurveSet(*np.stack(each, axis=1).reshape(3, *found.val.shape, -1))
