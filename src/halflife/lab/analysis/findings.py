"""What the results of one optimizer say: its best cell, what that scores, how lr and λ are coupled, and how surely."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import inference
from ..config.optimizers import OptimizerSpec
from ..inference import Cell, Coupling, Estimate, Interaction, NotIdentified, Regret
from ..inference.intervals import Array
from ..store.ledger import RunRecord


class MeanAndSpread(NamedTuple):
    """Over the seeds: mean and standard deviation (NaN for one seed)."""

    mean: float
    spread: float


@dataclass(frozen=True)
class Findings:
    """One optimizer's grid, and what it says.

    What is inferred is inferred from the seeds whose grid is complete; without any, ``error`` and ``best`` are of the
    runs there are and the rest is ``NotIdentified``.

    Attributes:
        spec: the optimizer.
        lrs, lams: the grid, in increasing order.
        val, test: errors of shape ``[seed, lr, λ]``. A replica that diverged counts as a guess or, if that is worse, as
            the worst that did not; one that is missing is NaN.
        diverged: who diverged, of the same shape.
        unit: what errors are measured in, the ``Problem``'s.

    Example:
        >>> import numpy as np
        >>> from halflife.lab import OPTIMIZER_SPECS, Findings
        >>> val = np.array([[[0.5, 0.3], [0.4, 0.6]], [[0.5, 0.2], [0.4, 0.6]]])
        >>> never = np.zeros(val.shape, bool)
        >>> found = Findings(OPTIMIZER_SPECS["sgd"], (0.01, 0.1), (1e-4, 1e-3), val, val, never)
        >>> found.best_lr, found.best_lam, found.val_error.mean
        (0.01, 0.001, 0.25)
    """

    spec: OptimizerSpec
    lrs: tuple[float, ...]
    lams: tuple[float, ...]
    val: Array
    test: Array
    diverged: NDArray[np.bool_]
    unit: str = "misclassified"

    @cached_property
    def missing(self) -> tuple[Cell, ...]:
        """The cells that lack a run of some seed."""
        return tuple((int(lr), int(lam)) for lr, lam in np.argwhere(np.isnan(self.val).any(0)))

    @cached_property
    def complete(self) -> tuple[int, ...]:
        """The seeds that have run every cell."""
        return tuple(np.flatnonzero(~np.isnan(self.val).any((1, 2))).tolist())

    @cached_property
    def error(self) -> Array:
        """Mean validation error of each cell, ``[lr, λ]``; NaN where nothing was run."""
        if self.complete:
            return self.val[list(self.complete)].mean(0)
        there = ~np.isnan(self.val)
        with np.errstate(invalid="ignore"):
            return np.where(there, self.val, 0).sum(0) / there.sum(0)

    @cached_property
    def samples(self) -> Array:
        """The errors of the complete seeds, none less than half the least above 0, so that all have a logarithm."""
        errors = self.val[list(self.complete)]
        above = errors[errors > 0]
        return np.maximum(errors, above.min() / 2 if above.size else 1.0)

    @cached_property
    def best(self) -> tuple[int, int]:
        """The cell of least mean validation error: the indices of its lr and λ."""
        lr, lam = np.unravel_index(int(np.nanargmin(self.error)), self.error.shape)
        return int(lr), int(lam)

    @property
    def best_lr(self) -> float:
        """The learning rate of the best cell."""
        return self.lrs[self.best[0]]

    @property
    def best_lam(self) -> float:
        """The λ of the best cell."""
        return self.lams[self.best[1]]

    @property
    def val_error(self) -> MeanAndSpread:
        """At the best cell, which makes it optimistic: the least of many is so by luck too."""
        return self._at_best(self.val)

    @property
    def test_error(self) -> MeanAndSpread:
        """At the cell that validation chose."""
        return self._at_best(self.test)

    def _at_best(self, errors: Array) -> MeanAndSpread:
        scores = errors[(list(self.complete) or slice(None), *self.best)]
        return _over_seeds(scores[~np.isnan(scores)])

    @cached_property
    def coupling(self) -> Coupling:
        """κ by both estimates, and the best λ of each learning rate."""
        if self._hole:
            return Coupling(self._hole, self._hole, ())
        return inference.coupling(np.array(self.lrs), np.array(self.lams), self.samples.mean(0))

    @cached_property
    def kappa(self) -> Estimate | NotIdentified:
        """κ and how surely it is known."""
        return self._hole or inference.kappa(np.array(self.lrs), np.array(self.lams), self.samples)

    @cached_property
    def regret(self) -> Regret | NotIdentified:
        """What tuning λ at another learning rate costs, in error points."""
        return self._hole or inference.regret(self.val[list(self.complete)])

    @cached_property
    def interaction(self) -> Interaction | NotIdentified:
        """ω² of lr × λ near the best."""
        return self._hole or inference.interaction(self.samples)

    @cached_property
    def near_best(self) -> tuple[Cell, ...] | NotIdentified:
        """The cells that cannot be told from the best, at 95 %."""
        return self._hole or inference.near_best(self.val[list(self.complete)])

    @property
    def _hole(self) -> NotIdentified | None:
        """Why nothing can be inferred."""
        if self.diverged.all():
            return NotIdentified("every network diverged; try smaller learning rates")
        if self.complete:
            return None
        names = [f"lr {self.lrs[i]:g}, λ {self.lams[j]:g}" for i, j in self.missing]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return NotIdentified(f"no seed has run the whole grid; missing: {'; '.join(names[:3])}{more}")


def findings(
    spec: OptimizerSpec,
    lrs: tuple[float, ...],
    lams: tuple[float, ...],
    runs: Sequence[RunRecord | None],
    chance: float | None,
    unit: str = "misclassified",
) -> Findings:
    """``runs`` lie as a block of a study does: by seed, then lr, then λ; None where one is missing.

    ``chance`` is the error of a guess, if there is one, ``unit`` what it is measured in. Who diverged is as bad as a
    guess, or as the worst who did not: no number is replaced by a smaller one, and what is worse stays worse.
    """
    shape = (-1, len(lrs), len(lams))
    errors = {
        name: np.array([getattr(run, name, np.nan) for run in runs], float) for name in ("val_error", "test_error")
    }
    diverged = np.array([run is not None and run.diverged for run in runs])
    there = np.array([run is not None for run in runs])
    diverged |= there & ~np.isfinite(errors["val_error"])
    val, test = (_capped(numbers, diverged, chance).reshape(shape) for numbers in errors.values())
    return Findings(spec, lrs, lams, val, test, diverged.reshape(shape), unit)


def _capped(errors: Array, diverged: NDArray[np.bool_], chance: float | None) -> Array:
    """With a number where there is none: not less than any other, nor than a guess's."""
    finite = errors[~diverged & np.isfinite(errors)]
    known = [*finite, *([] if chance is None else [chance])]
    return np.where(diverged, np.max(known) if known else 1.0, errors)


def _over_seeds(scores: Array) -> MeanAndSpread:
    if not len(scores):  # none was measured
        return MeanAndSpread(float("nan"), float("nan"))
    return MeanAndSpread(float(scores.mean()), float(scores.std(ddof=1)) if len(scores) > 1 else float("nan"))
