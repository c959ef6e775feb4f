"""What a heatmap shows, in numbers: drawn elsewhere, tested without pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..coupling import NotIdentified
from ..findings import Findings

Array = NDArray[np.floating[Any]]
Cell = tuple[int, int]

GOOD_CELLS = 10
CLIP = 3.0
"""The colours end at this multiple of the best error: beyond it a cell is simply bad."""


class HeatmapInfo(NamedTuple):
    """One panel. ``errors`` is the mean validation error, ``[lr, λ]``; ``good`` the best cells, the best one first.

    ``ridge`` holds the best λ of each learning rate that has one inside the grid, as pairs (lr, λ).
    """

    title: str
    equation: str
    coupling: str
    lrs: tuple[float, ...]
    lams: tuple[float, ...]
    errors: Array
    diverged: NDArray[np.bool_]
    good: list[Cell]
    ridge: list[tuple[float, float]]


class ColourScale(NamedTuple):
    """The errors at both ends of the colours, the same for all panels, and that of the best Adam without decay."""

    low: float
    high: float
    reference: float


def heatmap_info(found: Findings) -> HeatmapInfo:
    """The panel of one optimizer."""
    order = np.argsort(found.error, axis=None, kind="stable")[:GOOD_CELLS]
    rows, columns = np.unravel_index(order, found.error.shape)
    return HeatmapInfo(
        title=found.contender.label,
        equation=found.contender.equation,
        coupling=describe(found.coupling.kappa),
        lrs=found.lrs,
        lams=found.lams,
        errors=found.error,
        diverged=np.asarray(found.diverged.any(0)),
        good=[(int(row), int(column)) for row, column in zip(rows, columns, strict=True)],
        ridge=[(float(np.exp(c.x)), float(np.exp(c.z))) for c in found.coupling.ridge],
    )


def colour_scale(found: Sequence[Findings], reference: Findings) -> ColourScale:
    """From the best error of all panels to three times that, or to the worst if that is less."""
    low = min(float(f.error.min()) for f in found)
    worst = max(float(f.error.max()) for f in found)
    high = min(worst, CLIP * low) if low > 0 else worst
    return ColourScale(low, max(high, low + 1e-3), float(reference.error.min()))


def describe(kappa: float | NotIdentified) -> str:
    """κ as people read it."""
    return "κ not identified" if isinstance(kappa, NotIdentified) else f"κ = {kappa:+.2f}".replace("-", "−")
