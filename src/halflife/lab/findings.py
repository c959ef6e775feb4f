"""What the results of one optimizer say: its best cell, what that scores, and κ."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .coupling import Coupling, coupling
from .ledger import Run
from .optimizers import Contender

Array = NDArray[np.floating[Any]]


class MeanAndSpread(NamedTuple):
    """Over the seeds: mean and standard deviation (NaN for one seed)."""

    mean: float
    spread: float


@dataclass(frozen=True)
class Findings:
    """One optimizer's grid.

    ``val`` and ``test`` are errors, ``diverged`` who diverged, each of shape ``[seed, lr, λ]``. A replica that diverged
    counts as a guess, ``chance``.
    """

    contender: Contender
    lrs: tuple[float, ...]
    lams: tuple[float, ...]
    val: Array
    test: Array
    diverged: NDArray[np.bool_]

    @cached_property
    def error(self) -> Array:
        """Mean validation error of each cell, ``[lr, λ]``."""
        return self.val.mean(0)

    @cached_property
    def best(self) -> tuple[int, int]:
        """The cell of least mean validation error: the indices of its lr and λ."""
        lr, lam = np.unravel_index(int(self.error.argmin()), self.error.shape)
        return int(lr), int(lam)

    @property
    def best_lr(self) -> float:
        return self.lrs[self.best[0]]

    @property
    def best_lam(self) -> float:
        return self.lams[self.best[1]]

    @property
    def val_error(self) -> MeanAndSpread:
        return _over_seeds(self.val[(slice(None), *self.best)])

    @property
    def test_error(self) -> MeanAndSpread:
        """At the cell that validation chose."""
        return _over_seeds(self.test[(slice(None), *self.best)])

    @cached_property
    def coupling(self) -> Coupling:
        return coupling(np.array(self.lrs), np.array(self.lams), self._positive_error())

    def _positive_error(self) -> Array:
        """No less than half the smallest error above 0, so that a perfect cell has a logarithm."""
        error = self.error
        return np.maximum(error, error[error > 0].min(initial=1.0) / 2)


def findings(
    contender: Contender, lrs: tuple[float, ...], lams: tuple[float, ...], runs: Sequence[Run], chance: float
) -> Findings:
    """``runs`` lie as a block of a study does: by seed, then lr, then λ. ``chance`` is the error of a guess."""
    shape = (-1, len(lrs), len(lams))
    diverged = np.array([run.diverged for run in runs]).reshape(shape)
    val, test = (
        np.where(diverged, chance, np.array([getattr(run, name) for run in runs]).reshape(shape))
        for name in ("val_error", "test_error")
    )
    return Findings(contender, lrs, lams, val, test, diverged)


def _over_seeds(scores: Array) -> MeanAndSpread:
    return MeanAndSpread(float(scores.mean()), float(scores.std(ddof=1)) if len(scores) > 1 else float("nan"))
