"""The error of every cell, the ten best, and the valley through them."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...analysis import Findings
from ...inference import Coupling, NotIdentified

Array = NDArray[np.floating[Any]]
Cell = tuple[int, int]
Point = tuple[float, float]

GOOD_CELLS = 10
CLIP = 3.0
"""The colours end at this multiple of the best error: beyond it a cell is simply bad."""


class HeatmapInfo(NamedTuple):
    """One panel, of arrays ``[lr, λ]``.

    ``errors`` is the mean validation error, NaN where nothing was run; ``spread`` its standard deviation over the
    seeds; ``n_runs`` of ``seeds`` are done, of which ``n_diverged`` diverged. ``good`` are the best cells, the best one
    first; ``ridge`` the best λ of each learning rate that has one inside the grid, as pairs (lr, λ); ``valley`` both
    ends of the line of slope −κ through them, empty where κ is not identified.
    """

    title: str
    equation: str
    coupling: str
    unit: str
    lrs: tuple[float, ...]
    lams: tuple[float, ...]
    errors: Array
    spread: Array
    n_runs: NDArray[np.int_]
    n_diverged: NDArray[np.int_]
    seeds: int
    good: list[Cell]
    ridge: list[Point]
    valley: list[Point]

    @property
    def diverged(self) -> NDArray[np.bool_]:
        """Where a run diverged."""
        return self.n_diverged > 0


class ColourScale(NamedTuple):
    """The errors at both ends of the colours, the same for all panels, and that of the best Adam without decay."""

    low: float
    high: float
    reference: float


def heatmap_info(found: Findings) -> HeatmapInfo:
    """The panel of one optimizer."""
    n_runs = (~np.isnan(found.val)).sum(0)
    return HeatmapInfo(
        title=found.contender.label,
        equation=found.contender.equation,
        coupling=describe(found.coupling.kappa),
        unit=found.unit,
        lrs=found.lrs,
        lams=found.lams,
        errors=found.error,
        spread=_spread(found.val),
        n_runs=n_runs,
        n_diverged=np.asarray(found.diverged.sum(0)),
        seeds=len(found.val),
        good=_good(found.error),
        ridge=[(float(np.exp(vertex.x)), float(np.exp(vertex.z))) for vertex in found.coupling.ridge],
        valley=_valley(found.coupling),
    )


def _good(errors: Array) -> list[Cell]:
    """The ten best, or the better half of a small grid."""
    known = int(np.isfinite(errors).sum())
    order = np.argsort(errors, axis=None, kind="stable")[: max(1, min(GOOD_CELLS, known // 2))]
    rows, columns = np.unravel_index(order, errors.shape)
    return [(int(row), int(column)) for row, column in zip(rows, columns, strict=True)]


def good_words(panels: Sequence[HeatmapInfo]) -> str:
    """How many cells are marked as good, the best one among them; nothing where it is the only one."""
    most = max(len(panel.good) for panel in panels)
    return "" if most < 2 else "ten best" if most == GOOD_CELLS else f"best {most}"


def _spread(val: Array) -> Array:
    """Over the seeds that are there; NaN for fewer than two of them."""
    there = ~np.isnan(val)
    count = there.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, val, 0).sum(0) / count
        square = np.where(there, (val - mean) ** 2, 0).sum(0)
        return np.where(count > 1, np.sqrt(square / (count - 1)), np.nan)


def _valley(coupling: Coupling) -> list[Point]:
    """Theil–Sen's line: of slope −κ, at its median height, from the first column that has a vertex to the last."""
    if isinstance(coupling.kappa, NotIdentified):
        return []
    x, z = (np.array([vertex[i] for vertex in coupling.ridge]) for i in range(2))
    ends = x[[0, -1]]
    lams = np.exp(np.median(z + coupling.kappa * x) - coupling.kappa * ends)
    return [(float(lr), float(lam)) for lr, lam in zip(np.exp(ends), lams, strict=True)]


def colour_scale(found: Sequence[Findings], reference: Findings) -> ColourScale:
    """From the best error of all panels to three times that, or to the worst if that is less; NaN for no reference."""
    low = min(float(np.nanmin(f.error)) for f in found)
    worst = max(float(np.nanmax(f.error)) for f in found)
    low = low if low > 0 else min((float(x) for f in found for x in f.error[f.error > 0]), default=1e-3) / 2
    high = min(worst, CLIP * low)
    known = reference.error[np.isfinite(reference.error)]
    return ColourScale(low, max(high, 1.05 * low), float(known.min(initial=np.inf)) if len(known) else float("nan"))


def describe(kappa: float | NotIdentified) -> str:
    """κ as people read it."""
    return "κ not identified" if isinstance(kappa, NotIdentified) else f"κ = {kappa:+.2f}".replace("-", "−")
