"""The heatmaps of a study, side by side."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..errors import StudyError
from .info import ColourScale, HeatmapInfo

COLOURS = "viridis_r"
INK, GREY, RED, GOLD = "#1f2328", "#57606a", "#d1242f", "#ffd33d"
LEFT, BOTTOM, TOP = 0.85, 0.165, 0.69
"""Of the panels: inches from the left, shares of the height."""


def draw(panels: Sequence[HeatmapInfo], scale: ColourScale, subtitle: str) -> Figure:
    """λ to the right, the learning rate upward, both in logarithms; one colour scale for all panels."""
    width = 2.0 + 2.75 * len(panels)
    figure = Figure(figsize=(width, 4.6), dpi=1600 / 15.75, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    figure.subplots_adjust(left=LEFT / width, right=1 - 1.2 / width, bottom=BOTTOM, top=TOP, wspace=0.14)
    norm = LogNorm(scale.low, scale.high)
    for index, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        _panel(axis, panel, norm)
        axis.set_yticklabels([_number(lr) for lr in panel.lrs] if index == 0 else [])
    axes[0].set_ylabel("learning rate", color=INK, fontsize=11)
    _colour_bar(figure, norm, scale, width)
    _head(figure, subtitle, width)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a PNG. Raises ``StudyError`` if that cannot be."""
    try:
        figure.savefig(path)
    except OSError as error:
        raise StudyError(f"the picture {path} cannot be written ({error.strerror or error}).") from error


def _panel(axis: Axes, panel: HeatmapInfo, norm: Normalize) -> None:
    axis.imshow(panel.errors, origin="lower", aspect="auto", cmap=COLOURS, norm=norm)
    axis.set_xticks(range(len(panel.lams)), [_number(λ) for λ in panel.lams], rotation=45, ha="right", va="top")
    axis.set_yticks(range(len(panel.lrs)))
    axis.tick_params(length=0, labelsize=9, labelcolor=INK, pad=3)
    axis.spines[:].set_visible(False)
    axis.set_xlabel("weight decay λ", color=INK, fontsize=11)
    axis.xaxis.set_label_coords(0.5, -0.21)
    _marks(axis, panel)
    axis.set_title(panel.title, fontsize=13, fontweight="bold", color=INK, loc="left", pad=36)
    axis.text(0, 1.125, panel.equation, transform=axis.transAxes, fontsize=9, color=GREY, va="center")
    axis.text(0, 1.045, panel.coupling, transform=axis.transAxes, fontsize=12, color=RED, va="center", weight="bold")


def _marks(axis: Axes, panel: HeatmapInfo) -> None:
    """A star on the best cell, a dot on the next nine, a line along the best λ of each learning rate."""
    best, others = panel.good[0], panel.good[1:]
    if len(panel.ridge) > 1:
        lr, lam = np.transpose(panel.ridge)
        x, y = _position(lam, panel.lams), _position(lr, panel.lrs)
        axis.plot(x, y, color="white", linewidth=3.4, alpha=0.9, solid_capstyle="round")
        axis.plot(x, y, color=RED, linewidth=1.7, solid_capstyle="round")
    for i, j in others:
        axis.scatter(j, i, s=16, color="white", edgecolors=INK, linewidths=0.6, zorder=3)
    axis.scatter(best[1], best[0], marker="*", s=210, color=GOLD, edgecolors=INK, linewidths=0.9, zorder=4)
    for i, j in zip(*np.nonzero(panel.diverged), strict=True):
        axis.text(j, i, "×", ha="center", va="center", color="white", fontsize=9)


def _position(values: np.ndarray, ticks: tuple[float, ...]) -> np.ndarray:
    """Where values lie on an axis of cells, between two ticks by their logarithms."""
    return np.interp(np.log(values), np.log(ticks), np.arange(len(ticks)))


def _colour_bar(figure: Figure, norm: Normalize, scale: ColourScale, width: float) -> None:
    axis = figure.add_axes((1 - 1.05 / width, BOTTOM, 0.16 / width, TOP - BOTTOM))
    bar = figure.colorbar(ScalarMappable(norm, COLOURS), cax=axis)
    ticks = _ticks(scale)
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    bar.ax.minorticks_off()
    bar.ax.tick_params(length=3, labelsize=9, labelcolor=INK, color=GREY)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.set_title("validation\nerror", fontsize=9.5, color=INK, pad=8, loc="left")


def _ticks(scale: ColourScale) -> dict[float, str]:
    """Both ends, what Adam reaches without decay, and what lies far enough from these to be read."""
    ticks = {scale.low: f"{scale.low:.1%}", scale.high: f"≥ {scale.high:.0%}"}
    if scale.low < scale.reference < scale.high:
        ticks[scale.reference] = f"{scale.reference:.1%}\nno decay"
    for tick in np.geomspace(scale.low, scale.high, 5):
        if min(abs(np.log(tick / other)) for other in ticks) > 0.15:
            ticks[float(tick)] = f"{tick:.0%}"
    return ticks


def _head(figure: Figure, subtitle: str, width: float) -> None:
    left = LEFT / width
    headline = "How the best weight decay moves with the learning rate"
    figure.text(left, 0.955, headline, fontsize=15, fontweight="bold", color=INK, va="center")
    figure.text(left, 0.895, subtitle, fontsize=9.5, color=GREY, va="center")
    star = Line2D([], [], marker="*", markersize=13, linestyle="", color=GOLD, markeredgecolor=INK)
    dot = Line2D([], [], marker="o", markersize=4.5, linestyle="", color="white", markeredgecolor=INK)
    line = Line2D([], [], color=RED, linewidth=2)
    figure.legend(
        [star, dot, line],
        ["best cell", "ten best", "best λ at each learning rate"],
        loc="center right",
        bbox_to_anchor=(1 - 0.1 / width, 0.955),
        ncols=3,
        frameon=False,
        fontsize=9.5,
        labelcolor=INK,
        handletextpad=0.4,
        columnspacing=1.4,
    )


def _number(value: float) -> str:
    """0.003, but 3e-4."""
    if value >= 1e-3:
        return f"{value:g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
