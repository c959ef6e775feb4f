"""Error above, norm below, against λ: two optimizers, a column for each learning rate."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from ...units import error_text
from ..spec import number_text
from ..spec.axes import limits, nice_ticks
from ..spec.paired import PairedSpec
from .style import CATEGORIES, INK, LEAST_WIDTH, head, legend, new_figure, plain, spare

LEFT, RIGHT, TOP, BOTTOM, GAP, PANEL = 0.85, 0.15, 1.5, 0.65, 0.15, 2.4
TALL, BETWEEN = 1.9, 0.22
MARKERS = ("o", "s")


def draw_paired(info: PairedSpec, subtitle: str) -> Figure:
    """All columns share their scales."""
    columns = len(info.lrs)
    width = max(LEFT + columns * (PANEL + GAP) + RIGHT, LEAST_WIDTH)
    down = spare(subtitle, width, LEFT)
    height = TOP + 2 * TALL + BETWEEN + BOTTOM + down
    figure = new_figure(width, height)
    for row, values in enumerate((info.errors, info.norms)):
        ends, top = limits(np.concatenate([part.ravel() for part in values])), TOP + down + row * (TALL + BETWEEN)
        for column, lr in enumerate(info.lrs):
            left = LEFT + column * (PANEL + GAP)
            axis = figure.add_axes((left / width, 1 - (top + TALL) / height, PANEL / width, TALL / height))
            plain(axis)
            axis.set(xscale="log", yscale="log", ylim=ends)
            for k in range(2):
                style: dict[str, Any] = {
                    "color": CATEGORIES[k],
                    "marker": MARKERS[k],
                    "markersize": 4,
                    "linewidth": 1.6,
                }
                axis.plot(info.lams[k], values[k][column], **style)
            axis.yaxis.set_major_locator(FixedLocator(nice_ticks(*ends)))
            axis.yaxis.set_minor_locator(NullLocator())
            axis.yaxis.set_major_formatter(FuncFormatter(_text("" if row else info.unit)))
            axis.xaxis.set_major_locator(LogLocator(numticks=5))
            axis.xaxis.set_minor_locator(NullLocator())
            axis.xaxis.set_major_formatter(FuncFormatter(_number))
            axis.tick_params(labelleft=column == 0, labelbottom=row == 1)
            if column == 0:
                axis.set_ylabel(("validation error", "norm of weights")[row], color=INK, fontsize=10)
            if row == 0:
                axis.set_title(f"lr {number_text(lr)}", fontsize=11, fontweight="bold", color=INK, loc="left")
    middle = (LEFT + columns * (PANEL + GAP) / 2) / width
    figure.text(middle, 0.12 / height, "weight decay λ", fontsize=10, color=INK, ha="center")
    head(figure, "Error beside norm", f"{info.finding}. {subtitle}", LEFT)
    lines = [Line2D([], [], color=CATEGORIES[k], marker=MARKERS[k], linewidth=2) for k in range(2)]
    legend(figure, lines, list(info.titles), left=LEFT, top=0.95 + down)
    return figure


def _text(unit: str) -> Callable[[float, int | None], str]:
    def text(value: float, _: int | None) -> str:
        return f"{value:g}" if not unit else error_text(value, unit).replace(".0 %", " %")

    return text


def _number(value: float, _: int | None) -> str:
    return number_text(value)
