"""The heatmaps of a study, side by side."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ..spec import ColourScale, HeatmapSpec, number_text
from ..spec.heatmap import colour_ticks, good_words, positions
from .style import ERRORS, FAINT, GOLD, GREY, INK, LEAST_WIDTH, RED, head, legend, new_figure, plain, save, spare

__all__ = ["GREY", "INK", "RED", "draw", "save"]

LEFT, RIGHT, PANEL, GAP = 0.85, 1.2, 2.46, 0.35
HEIGHT, TOP, TALL = 5.1, 1.95, 2.46
"""Inches: the margins, the panels' width, height and distances."""
HEADLINE = "How the best weight decay moves with the learning rate"


def draw(panels: Sequence[HeatmapSpec], scale: ColourScale, subtitle: str, headline: str = HEADLINE) -> Figure:
    """λ to the right, the learning rate upward, both in logarithms; one colour scale for all panels."""
    width = max(LEFT + len(panels) * (PANEL + GAP) - GAP + RIGHT, LEAST_WIDTH)
    down = spare(subtitle, width, LEFT)
    figure, norm = new_figure(width, HEIGHT + down), LogNorm(scale.low, scale.high)
    for index, panel in enumerate(panels):
        left = LEFT + index * (PANEL + GAP)
        axis = figure.add_axes(_box(figure, left, PANEL))
        _panel(axis, panel, norm)
        axis.set_yticklabels([number_text(lr) for lr in panel.lrs] if index == 0 else [])
        if index == 0:
            axis.set_ylabel("learning rate", color=INK, fontsize=11)
    _colour_bar(figure, norm, scale, panels[0].unit, LEFT + len(panels) * (PANEL + GAP) - GAP + 0.16)
    head(figure, headline, subtitle, LEFT)
    _legend(figure, panels, 0.86 + down)
    return figure


def _box(figure: Figure, left: float, wide: float) -> tuple[float, float, float, float]:
    """In shares of the figure: as high as a panel, as wide as this, and always as far above the foot."""
    width, height = figure.get_size_inches()
    return left / width, (HEIGHT - TOP - TALL) / height, wide / width, TALL / height


def _panel(axis: Axes, panel: HeatmapSpec, norm: Normalize) -> None:
    axis.set_facecolor(FAINT)
    plain(axis)
    axis.grid(visible=False)
    axis.imshow(np.ma.masked_invalid(panel.shown), origin="lower", aspect="auto", cmap=ERRORS, norm=norm)
    axis.set_xticks(range(len(panel.lams)), [number_text(λ) for λ in panel.lams], rotation=45, ha="right", va="top")
    axis.set_yticks(range(len(panel.lrs)))
    axis.set_xlabel("weight decay λ", color=INK, fontsize=11)
    axis.xaxis.set_label_coords(0.5, -0.21)
    _marks(axis, panel)
    axis.set_title(panel.title, fontsize=13, fontweight="bold", color=INK, loc="left", pad=38)
    axis.text(0, 1.135, panel.equation, transform=axis.transAxes, fontsize=9, color=GREY, va="center")
    colour, weight = (RED, "bold") if panel.identified else (GREY, "normal")
    axis.text(
        0, 1.045, panel.coupling, transform=axis.transAxes, fontsize=10.5, color=colour, va="center", weight=weight
    )


def _marks(axis: Axes, panel: HeatmapSpec) -> None:
    """A star on the best cell, a dot on the next nine, the best λ of each learning rate and the line through them."""
    if panel.valley:
        x, y = positions(panel.valley, panel)
        axis.plot(x, y, color="white", linewidth=3.6, alpha=0.9, solid_capstyle="round")
        axis.plot(x, y, color=RED, linewidth=1.8, solid_capstyle="round")
    if panel.ridge:
        axis.scatter(
            *positions(panel.ridge, panel), marker="D", s=17, color=RED, edgecolors="white", linewidths=0.7, zorder=3
        )
    for i, j in panel.good[1:]:
        axis.scatter(j, i, s=24, color="white", edgecolors=INK, linewidths=0.6, zorder=2.5)
    best = panel.good[0]
    axis.scatter(best[1], best[0], marker="*", s=210, color=GOLD, edgecolors=INK, linewidths=0.9, zorder=4)
    for i, j in zip(*np.nonzero(panel.diverged), strict=True):
        lost = np.isnan(panel.shown[i, j])
        axis.add_patch(_hatched((j - 0.5, i - 0.5), GREY if lost else "white"))
    axis.set_xlim(-0.5, len(panel.lams) - 0.5)
    axis.set_ylim(-0.5, len(panel.lrs) - 0.5)


def _hatched(corner: tuple[float, float], colour: str) -> Rectangle:
    """A cell in which a run diverged."""
    return Rectangle(corner, 1, 1, fill=False, edgecolor=colour, hatch="////", linewidth=0, zorder=2)


def _colour_bar(figure: Figure, norm: Normalize, scale: ColourScale, unit: str, left: float) -> None:
    axis = figure.add_axes(_box(figure, left, 0.16))
    bar = figure.colorbar(ScalarMappable(norm, ERRORS), cax=axis)
    ticks = colour_ticks(scale, unit)
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    bar.ax.minorticks_off()
    bar.ax.tick_params(length=3, labelsize=9, labelcolor=INK, color=GREY)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.set_title("validation\nerror", fontsize=9.5, color=INK, pad=8, loc="left")


def _legend(figure: Figure, panels: Sequence[HeatmapSpec], top: float) -> None:
    star = Line2D([], [], marker="*", markersize=13, linestyle="", color=GOLD, markeredgecolor=INK)
    dot = Line2D([], [], marker="o", markersize=5, linestyle="", color="white", markeredgecolor=INK)
    diamond = Line2D([], [], marker="D", markersize=4.5, linestyle="", color=RED, markeredgecolor="white")
    line = Line2D([], [], color=RED, linewidth=2)
    handles, labels = (
        [star, dot, diamond, line],
        ["best cell", good_words(panels), "best λ of a learning rate", "fitted valley"],
    )
    hatched = Rectangle((0, 0), 1, 1, facecolor=FAINT, edgecolor=GREY, hatch="////", linewidth=0)
    handles, labels = [*handles, hatched], [*labels, "diverged"]
    seen = [any(known) for known in zip(*map(_shown, panels), strict=True)]
    legend(figure, list(compress(handles, seen)), list(compress(labels, seen)), left=LEFT - 0.08, top=top)


def _shown(panel: HeatmapSpec) -> tuple[bool, ...]:
    """Which of the marks a panel has, in the order of the legend."""
    return True, len(panel.good) > 1, bool(panel.ridge), bool(panel.valley), bool(panel.diverged.any())
