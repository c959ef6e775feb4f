"""Base-2 histograms of gradients, updates and weights, two optimizers in one panel."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from ..spec import MagnitudesPanel, MagnitudesSpec
from ..spec.magnitudes import octave_ticks, octave_words, power_of_two, tallest
from .style import CATEGORIES, GREY, INK, LEAST_WIDTH, head, legend, new_figure, plain, spare

LEFT, RIGHT, TOP, BOTTOM, GAP = 0.85, 0.15, 1.55, -0.05, 0.14
TALL, BETWEEN = 1.35, 0.6
"""Inches: margins, distances, the height of a row."""


def draw_magnitudes(info: MagnitudesSpec, subtitle: str) -> Figure:
    """A row for each kind, a column for each epoch; below each panel how many octaves hold the middle 90 %."""
    columns, rows = len(info.epochs), len(info.bins)
    panel = min(4.0, max(2.2, (13.5 - LEFT) / columns - GAP))
    width = max(LEFT + columns * (panel + GAP) + RIGHT, LEAST_WIDTH)
    down = spare(subtitle, width, LEFT)
    height = TOP + rows * (TALL + BETWEEN) + BOTTOM + down
    figure, top_share = new_figure(width, height), tallest(info)
    for index, one in enumerate(info.panels):
        row, column = divmod(index, columns)
        left, top = LEFT + column * (panel + GAP), TOP + down + row * (TALL + BETWEEN)
        axis = figure.add_axes((left / width, 1 - (top + TALL) / height, panel / width, TALL / height))
        _panel(axis, one, info.bins[one.kind], top_share[one.kind])
        axis.tick_params(labelleft=column == 0)
        axis.set_ylabel(f"|{one.kind}|" if column == 0 else "", color=INK, fontsize=10.5, fontweight="bold")
        if row == 0:
            axis.set_title(f"epoch {one.epoch}", fontsize=11, fontweight="bold", color=INK, loc="left", pad=18)
    head(figure, "Over how many octaves the numbers of a training spread", subtitle, LEFT)
    patches = [Patch(color=CATEGORIES[k % 4], alpha=0.75) for k in range(len(info.titles))]
    legend(figure, patches, info.titles, left=LEFT, top=0.8 + down)
    return figure


def _panel(axis: Axes, one: MagnitudesPanel, bins: tuple[int, ...], top: float) -> None:
    plain(axis)
    axis.grid(axis="x", visible=False)
    edges = np.array([*bins, bins[-1] + 1], dtype=float)
    for k, share in enumerate(one.shares):
        axis.stairs(share, edges, fill=True, color=CATEGORIES[k % 4], alpha=0.35, zorder=3)
        axis.stairs(share, edges, color=CATEGORIES[k % 4], linewidth=1.4, zorder=4)
    axis.set_xlim(edges[0], edges[-1])
    axis.set_ylim(0, 1.05 * top)
    axis.xaxis.set_major_locator(FixedLocator(octave_ticks(bins, 6)))
    axis.xaxis.set_major_formatter(FuncFormatter(_octave))
    axis.yaxis.set_major_locator(MaxNLocator(3))
    axis.yaxis.set_major_formatter(FuncFormatter(_percent))
    axis.text(0, 1.02, octave_words(one), transform=axis.transAxes, fontsize=8.5, color=GREY, va="bottom")


def _octave(exponent: float, _: int | None) -> str:
    return power_of_two(round(exponent))


def _percent(share: float, _: int | None) -> str:
    return f"{100 * share:.0f} %"
