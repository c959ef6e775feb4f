"""The best λ against a third axis, a panel for each axis and optimizer."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from ..spec.axes import nice_ticks
from ..spec.scaling import ScalingSpec
from ..spec.text import number_text
from .style import GOLD, GREY, INK, LEAST_WIDTH, RED, SEQUENCE, head, legend, new_figure, plain, spare

LEFT, RIGHT, TOP, BOTTOM, PANEL, GAP = 0.85, 0.2, 2.0, 0.7, 3.5, 0.8
COLUMNS = 46
"""Letters of a finding above a panel."""


def draw_scaling(panels: Sequence[ScalingSpec], subtitle: str) -> Figure:
    """λ upward, the axis to the right, both in logarithms; words at even distances."""
    width = max(LEFT + len(panels) * (PANEL + GAP) - GAP + RIGHT, LEAST_WIDTH)
    down = spare(subtitle, width, LEFT)
    height = TOP + PANEL * 0.8 + BOTTOM + down
    figure = new_figure(width, height)
    for index, panel in enumerate(panels):
        left = LEFT + index * (PANEL + GAP)
        axis = figure.add_axes((left / width, BOTTOM / height, PANEL / width, PANEL * 0.8 / height))
        _panel(axis, panel)
        if index == 0:
            axis.set_ylabel("best weight decay λ", color=INK, fontsize=11)
    head(figure, f"How the best weight decay moves with {_axes(panels)}", subtitle, LEFT)
    _legend(figure, panels, 0.86 + down)
    return figure


def _axes(panels: Sequence[ScalingSpec]) -> str:
    return " and ".join(dict.fromkeys(panel.axis.replace("-", " ") for panel in panels))


def _panel(axis: Axes, panel: ScalingSpec) -> None:
    plain(axis)
    low, high = panel.ends
    axis.set(yscale="log", ylim=(low, high))
    if panel.is_numeric:
        axis.set_xscale("log")
    axis.set_xticks(panel.places, panel.ticks)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_locator(FixedLocator(nice_ticks(low, high)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(lambda value, _: number_text(float(f"{value:.3g}")))
    colours = colormaps[SEQUENCE](np.linspace(0.1, 0.85, max(len(panel.lrs), 1)))
    for colour, line in zip(colours, panel.lines, strict=False):
        axis.plot(panel.places, line, color=colour, marker="D", markersize=4, linewidth=1.4)
    axis.vlines(panel.places, *panel.near, color=GREY, linewidth=5, alpha=0.3)
    axis.plot(panel.places, panel.best, linestyle="", marker="*", markersize=13, color=GOLD, markeredgecolor=INK)
    if panel.law is not None:
        axis.plot(panel.places, panel.law, color=RED, linewidth=1.6, linestyle=(0, (4, 3)))
    axis.set_xlabel(panel.axis, color=INK, fontsize=11)
    axis.set_title(panel.title, fontsize=13, fontweight="bold", color=INK, loc="left", pad=44)
    words = "\n".join(textwrap.wrap(panel.finding, COLUMNS)[:2])
    axis.text(0, 1.13, words, transform=axis.transAxes, fontsize=9.5, color=INK, va="center")
    axis.text(0, 1.03, panel.law_words, transform=axis.transAxes, fontsize=9, color=RED, va="center")


def _legend(figure: Figure, panels: Sequence[ScalingSpec], top: float) -> None:
    lrs = sorted({lr for panel in panels for lr in panel.lrs})
    colours = colormaps[SEQUENCE](np.linspace(0.1, 0.85, max(len(lrs), 1)))
    handles = [Line2D([], [], color=colours[k], marker="D", markersize=4) for k in {0, len(lrs) - 1} if lrs]
    labels = [f"at lr {number_text(lrs[k])}" for k in {0, len(lrs) - 1} if lrs]
    handles += [
        Line2D([], [], linestyle="", marker="*", markersize=13, color=GOLD, markeredgecolor=INK),
        Line2D([], [], color=GREY, linewidth=5, alpha=0.3),
    ]
    labels += ["best cell", "near the best there"]
    if any(panel.law is not None for panel in panels):
        handles.append(Line2D([], [], color=RED, linestyle=(0, (4, 3))))
        labels.append("the law's slope")
    legend(figure, handles, labels, left=LEFT - 0.08, top=top)
