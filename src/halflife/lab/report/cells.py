"""All cells of all optimizers, one row each: what the heatmaps show, to be sorted and copied."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..analysis import Findings
from ..figures.spec import number_text
from ..result import Result
from ..units import error_text

COLUMNS = (
    "optimizer",
    "lr",
    "λ",
    "validation error",
    "± sd",
    "test error",
    "train error",
    "norm",
    "diverged",
    "seconds",
)
STUDY = "study"
"""The column before these where there are several."""


class Entry(NamedTuple):
    """What stands in a cell of the table, and by what it is sorted: a number, NaN for nothing, or its text."""

    text: str
    value: float | str


class CellRow(NamedTuple):
    """``optimizer`` is its label, for the filter; ``best`` marks its best cell; ``place`` its lr and λ in the grid."""

    optimizer: str
    best: bool
    place: tuple[int, int]
    entries: list[Entry]


def cell_rows(results: Sequence[Result]) -> list[CellRow]:
    """Of all studies, by optimizer, then lr, then λ; the baseline last."""
    several = len(results) > 1
    rows: list[CellRow] = []
    for result in results:
        title = [Entry(result.title, result.title)] if several else []
        for found in (*result.findings, result.baseline):
            rows += [row._replace(entries=[*title, *row.entries]) for row in _rows(result, found)]
    return rows


def columns(results: Sequence[Result]) -> tuple[str, ...]:
    """The headings that fit ``cell_rows``."""
    return (STUDY, *COLUMNS) if len(results) > 1 else COLUMNS


def _rows(result: Result, found: Findings) -> Iterator[CellRow]:
    train, norm, seconds = (_mean(result.column(found, name)) for name in ("train_error", "weight_norm", "seconds"))
    n_runs = (~np.isnan(found.val)).sum(0)
    if not n_runs.any():
        return
    val, test = _mean(found.val), _mean(found.test)
    spread = np.array([[_spread(found.val[:, i, j]) for j in range(len(found.lams))] for i in range(len(found.lrs))])
    for i, j in np.ndindex(n_runs.shape):
        best = (i, j) == found.best
        done, lost = int(n_runs[i, j]), int(found.diverged[:, i, j].sum())
        lr, lam, label = found.lrs[i], found.lams[j], found.spec.label
        yield CellRow(
            label,
            best,
            (i, j),
            [
                Entry(label, label),
                Entry(number_text(lr), lr),
                Entry(number_text(lam), lam),
                *(_error(float(values[i, j]), found.unit) for values in (val, spread, test, train)),
                Entry(f"{norm[i, j]:.3g}" if np.isfinite(norm[i, j]) else "–", float(norm[i, j])),
                Entry(f"{lost} of {done}" if lost else "", lost),
                Entry(f"{seconds[i, j]:.2g}" if np.isfinite(seconds[i, j]) else "–", float(seconds[i, j])),
            ],
        )


def _error(value: float, unit: str) -> Entry:
    return Entry(error_text(value, unit), value)


def _mean(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Over the seeds that are there."""
    there = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(there, values, 0).sum(0) / there.sum(0)


def _spread(scores: NDArray[np.floating[Any]]) -> float:
    known = scores[~np.isnan(scores)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")
