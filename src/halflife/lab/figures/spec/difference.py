"""How far two optimizers score apart in the same cell under the same seed: AdamW beside ProxAdam."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...inference.intervals import Array
from ...result import Result
from ...units import difference_text, difference_unit

ADAMW, PROX = "adamw-paper", "prox-adam"


class DifferenceSpec(NamedTuple):
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


def difference_spec(result: Result, first: str = ADAMW, second: str = PROX) -> DifferenceSpec | None:
    """Of two optimizers that share a grid; None where one is missing or the grids differ."""
    pair = [found for name in (first, second) for found in result.findings if found.spec.name == name]
    if len(pair) < 2 or pair[0].lams != pair[1].lams or pair[0].val.shape != pair[1].val.shape:
        return None
    ours, theirs = pair
    difference, error = _mean(theirs.val - ours.val)
    return DifferenceSpec(
        first=ours.spec.label,
        second=theirs.spec.label,
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


def colour_end(info: DifferenceSpec) -> float:
    """Where the colours end: at three times the seeds' noise at least, so that luck looks pale."""
    known = np.abs(info.difference[np.isfinite(info.difference)])
    largest = float(known.max(initial=0.0))
    return max(min(largest, 10 * info.noise) if info.noise > 0 else largest, 3 * np.nan_to_num(info.noise), 1e-6)


def sign_words(info: DifferenceSpec) -> tuple[str, str]:
    """What it means below 0 and above it."""
    return f"{info.second} has fewer errors", f"{info.first} has fewer errors"


def finding(info: DifferenceSpec) -> str:
    """In how many cells either is better beyond luck."""
    fewer = int((info.beyond_noise & (info.difference < 0)).sum())
    more = int((info.beyond_noise & (info.difference > 0)).sum())
    cells = int(np.isfinite(info.difference).sum())
    if not fewer + more:
        return f"{info.second} and {info.first} are not told apart in any of {cells} cells"
    return f"{info.second} is better in {fewer} of {cells} cells, {info.first} in {more}"


def reading(info: DifferenceSpec) -> str:
    """How to read the numbers."""
    noise = difference_text(info.noise, info.unit).removeprefix("+") if np.isfinite(info.noise) else ""
    other = f"another seed moves {info.first} by {noise}; " if noise else ""
    where = f"In {difference_unit(info.unit)}, mean over paired seeds"
    return f"{where}; {other}bold: beyond that and twice its standard error."
