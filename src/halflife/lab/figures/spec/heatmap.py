"""The error of every cell, the ten best, and the valley through them."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...analysis import Findings
from ...inference import Coupling, NotIdentified
from ...inference.intervals import Array
from ...units import error_text

Cell = tuple[int, int]
Point = tuple[float, float]

GOOD_CELLS = 10
CLIP = 3.0
"""The colours end at this multiple of the best error: beyond it a cell is simply bad."""


class HeatmapSpec(NamedTuple):
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
    baseline: float


def heatmap_spec(found: Findings) -> HeatmapSpec:
    """The panel of one optimizer."""
    n_runs = (~np.isnan(found.val)).sum(0)
    return HeatmapSpec(
        title=found.spec.label,
        equation=found.spec.equation,
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


def good_words(panels: Sequence[HeatmapSpec]) -> str:
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


def colour_scale(found: Sequence[Findings], baseline: Findings) -> ColourScale:
    """From the best error of all panels to three times that, or to the worst if that is less; NaN for no baseline."""
    low = min(float(np.nanmin(f.error)) for f in found)
    worst = max(float(np.nanmax(f.error)) for f in found)
    low = low if low > 0 else min((float(x) for f in found for x in f.error[f.error > 0]), default=1e-3) / 2
    high = min(worst, CLIP * low)
    known = baseline.error[np.isfinite(baseline.error)]
    return ColourScale(low, max(high, 1.05 * low), float(known.min(initial=np.inf)) if len(known) else float("nan"))


def describe(kappa: float | NotIdentified) -> str:
    """κ as people read it."""
    return "κ not identified" if isinstance(kappa, NotIdentified) else f"κ = {kappa:+.2f}".replace("-", "−")


def positions(points: Sequence[Point], panel: HeatmapSpec) -> tuple[Array, Array]:
    """Where pairs (lr, λ) lie on axes of cells, between two ticks by their logarithms: x and y."""
    lr, lam = np.transpose(points)
    return position(lam, panel.lams), position(lr, panel.lrs)


def position(values: Array, ticks: tuple[float, ...]) -> Array:
    """On one axis; beyond its ends as far as half a cell."""
    if len(ticks) < 2:
        return np.zeros(len(values))
    x, at = np.log(ticks), np.arange(len(ticks), dtype=float)
    x = np.concatenate([[x[0] - (x[1] - x[0]) / 2], x, [x[-1] + (x[-1] - x[-2]) / 2]])
    return np.interp(np.log(values), x, np.concatenate([[-0.5], at, [at[-1] + 0.5]]))


def colour_ticks(scale: ColourScale, unit: str) -> dict[float, str]:
    """What Adam reaches without decay, and both ends and others that lie far enough from it to be read."""
    ticks = {scale.low: error_text(scale.low, unit), scale.high: f"≥ {error_text(scale.high, unit)}"}
    apart = 0.13 * float(np.log(scale.high / scale.low))
    if scale.low < scale.baseline < scale.high:
        ticks = {end: label for end, label in ticks.items() if abs(np.log(end / scale.baseline)) > apart}
        ticks[scale.baseline] = f"{error_text(scale.baseline, unit)}\nno decay"
    for tick in np.geomspace(scale.low, scale.high, 5):
        if min(abs(np.log(tick / other)) for other in ticks) > apart:
            ticks[float(tick)] = error_text(float(tick), unit)
    return ticks
