"""The error of every cell, the ten best, and the valley through them."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...analysis import Findings, verdict
from ...analysis.sentences import signed, span
from ...analysis.verdict import COUPLED, DECOUPLED
from ...inference import Coupling, Estimate, NotIdentified
from ...inference.intervals import Array
from ...units import error_text

Cell = tuple[int, int]
Point = tuple[float, float]

GOOD_CELLS = 10
CLIP = 3.0
"""The colours end at this multiple of the best error: beyond it a cell is simply bad."""
SHOWN = 0.9
"""And by where so many of the cells lie: a few outliers would make all others look alike."""
WORDS = ((COUPLED, "coupled"), (DECOUPLED, "decoupled"))


class HeatmapSpec(NamedTuple):
    """One panel, of arrays ``[lr, λ]``.

    ``errors`` is the mean validation error, NaN where nothing was run; ``spread`` its standard deviation over the
    seeds; ``n_runs`` of ``seeds`` are done, of which ``n_diverged`` diverged. ``good`` are the best cells, the best one
    first; ``coupling`` is κ with its interval, ``identified`` whether there is one; ``ridge`` the best λ of each
    learning rate that has one inside the grid, as pairs (lr, λ); ``valley`` both ends of the line of slope −κ through
    them, empty where κ is not identified.
    """

    title: str
    equation: str
    coupling: str
    identified: bool
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

    @property
    def shown(self) -> Array:
        """The errors that have a colour: NaN where nothing was run, and where every run diverged."""
        return np.where((self.n_diverged == self.n_runs) & self.diverged, np.nan, self.errors)


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
        coupling=describe(found.kappa),
        identified=not isinstance(found.kappa, NotIdentified),
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
    """From the best error of all panels to three times that, or less: to where all but a tenth of the cells lie.

    Cells in which a run diverged stretch no scale. ``baseline`` is NaN where there is none, and within the scale where
    three times the best reaches as far.
    """
    trained = np.concatenate([f.error[np.isfinite(f.error) & ~f.diverged.any(0)] for f in found])
    every = np.concatenate([f.error[np.isfinite(f.error)] for f in found])
    errors = trained if len(trained) else every
    above = errors[errors > 0]
    low = float(errors.min()) if errors.min() > 0 else (float(above.min()) if len(above) else 1e-3) / 2
    known = baseline.error[np.isfinite(baseline.error)]
    without = float(known.min()) if len(known) else float("nan")
    most = float(np.quantile(errors, SHOWN))
    high = min(max(most, without) if np.isfinite(without) else most, CLIP * low)
    return ColourScale(low, max(high, 1.05 * low), without)


def describe(kappa: Estimate | float | NotIdentified) -> str:
    """κ as people read it, with its 90 % interval where it has one."""
    if isinstance(kappa, NotIdentified):
        return "κ not identified"
    if not isinstance(kappa, Estimate):
        return f"κ = {signed(kappa)}"
    interval = kappa.interval()
    return f"κ = {signed(kappa.value)}" + ("" if isinstance(interval, NotIdentified) else f" ({span(interval)})")


def headline(found: Sequence[Findings]) -> str:
    """What the picture shows, in a line: how many optimizers are coupled, and how many not."""
    states = [verdict(one).state for one in found]
    if len(found) == 1:
        words = {COUPLED: "lr and λ are coupled", DECOUPLED: "lr and λ are decoupled"}
        return f"{found[0].spec.label}: {words.get(states[0], 'whether lr and λ are coupled is open')}"
    parts = [f"{word} in {states.count(state)}" for state, word in WORDS if states.count(state)]
    if not parts:
        which = "both" if len(found) == 2 else f"all {len(found)}"
        return f"Whether lr and λ are coupled is open in {which} optimizers"
    parts[-1] += f" of {len(found)} optimizers" if len(parts) == 1 else ""
    return "lr and λ are " + " and ".join(parts)


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
