"""How far two optimizers score apart in the same cell under the same seed: AdamW beside ProxAdam."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...result import Result

Array = NDArray[np.floating[Any]]

ADAMW, PROX = "adamw-paper", "prox-adam"


class DifferenceInfo(NamedTuple):
    """Arrays ``[lr, λ]``: ``difference``, the second's validation error minus the first's, mean over the seeds that
    both have, and its standard ``error`` (NaN under two of them). ``noise`` is what another seed makes of one
    optimizer: the median over the cells of the first's standard deviation.
    """

    first: str
    second: str
    unit: str
    lrs: tuple[float, ...]
    lams: tuple[float, ...]
    difference: Array
    error: Array
    noise: float

    @property
    def beyond_noise(self) -> NDArray[np.bool_]:
        """Where the difference exceeds both twice its standard error and the seeds' noise."""
        size = np.abs(self.difference)
        return (size > 2 * self.error) & (size > self.noise)


def difference_info(result: Result, first: str = ADAMW, second: str = PROX) -> DifferenceInfo | None:
    """Of two optimizers that share a grid; None where one is missing or the grids differ."""
    pair = [found for name in (first, second) for found in result.findings if found.contender.name == name]
    if len(pair) < 2 or pair[0].lams != pair[1].lams or pair[0].val.shape != pair[1].val.shape:
        return None
    ours, theirs = pair
    difference, error = _mean(theirs.val - ours.val)
    return DifferenceInfo(
        first=ours.contender.label,
        second=theirs.contender.label,
        unit=ours.unit,
        lrs=ours.lrs,
        lams=ours.lams,
        difference=difference,
        error=error,
        noise=_median(ours.val.std(0, ddof=1)) if len(ours.val) > 1 else float("nan"),
    )


def _mean(apart: Array) -> tuple[Array, Array]:
    """Over the seeds that both have run, and its standard error."""
    there = np.isfinite(apart)
    count = there.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, apart, 0).sum(0) / count
        square = np.where(there, (apart - mean) ** 2, 0).sum(0)
        return mean, np.where(count > 1, np.sqrt(square / (count - 1) / count), np.nan)


def _median(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
