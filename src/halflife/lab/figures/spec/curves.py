"""Error and norm against the epoch, a line for each (lr, λ): the two plots in which decay is seen at work."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...analysis import Findings
from ...inference.intervals import Array
from ...result import Result

MOST_EPOCHS = 150
"""Of more than that a figure shows so many, evenly spaced, the last among them."""


class CurvesSpec(NamedTuple):
    """One optimizer: each of ``[lr, λ, epoch]``, the mean over the seeds. A line ends where a seed diverges.

    ``epochs`` counts those that are shown, from 1; ``best`` is the cell of least validation error.
    """

    title: str
    unit: str
    lrs: tuple[float, ...]
    lams: tuple[float, ...]
    epochs: tuple[int, ...]
    val_error: Array
    train_loss: Array
    weight_norm: Array
    best: tuple[int, int]


def curves_spec(result: Result, found: Findings) -> CurvesSpec | None:
    """Of one optimizer of a study that kept its curves."""
    curves = result.curves(found)
    if curves is None:
        return None
    length = curves.val_error.shape[-1]
    shown = np.unique(np.linspace(length - 1, 0, min(length, MOST_EPOCHS)).round().astype(int))
    lost = ~np.isfinite(curves.train_loss)
    missing = lost.all(-1) & ~found.diverged
    val, loss, norm = (_mean(np.where(lost, np.nan, part), missing)[..., shown] for part in curves)
    return CurvesSpec(
        title=found.spec.label,
        unit=found.unit,
        lrs=found.lrs,
        lams=found.lams,
        epochs=tuple((shown + 1).tolist()),
        val_error=val,
        train_loss=loss,
        weight_norm=norm,
        best=found.best,
    )


def _mean(curves: Array, missing: NDArray[np.bool_]) -> Array:
    """Over the seeds that were run: NaN as soon as one of them is, for the mean of the survivors would flatter."""
    curves = np.where(np.isfinite(curves), curves, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(missing[..., None], 0, curves).sum(0) / (~missing).sum(0)[..., None]
