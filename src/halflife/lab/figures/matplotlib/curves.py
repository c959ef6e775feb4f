"""Error and norm against the epoch: a column for each learning rate, a line for each λ."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from ...units import error_text
from ..spec import CurvesSpec, number_text
from ..spec.axes import limits, nice_ticks
from ..spec.heatmap import Array
from .style import INK, LEAST_WIDTH, head, legend, new_figure, plain, sequence, spare

LEFT, RIGHT, TOP, BOTTOM, GAP = 0.85, 0.15, 1.5, 0.55, 0.1
TALL, BETWEEN = 1.9, 0.22
"""Inches: margins, distances, the height of a row."""


def draw_curves(info: CurvesSpec, subtitle: str) -> Figure:
    """Validation error above, the norm of all weights below, both on logarithmic scales that all columns share."""
    columns = len(info.lrs)
    panel = min(3.2, max(1.55, (13.5 - LEFT) / columns - GAP))
    width = max(LEFT + columns * (panel + GAP) + RIGHT, LEAST_WIDTH)
    down = spare(subtitle, width, LEFT)
    height = TOP + 2 * TALL + BETWEEN + BOTTOM + down
    figure, colours = new_figure(width, height), sequence(len(info.lams))
    for row, values in enumerate((info.val_error, info.weight_norm)):
        ends, top = limits(values), TOP + down + row * (TALL + BETWEEN)
        for column, curves in enumerate(values):
            left = LEFT + column * (panel + GAP)
            axis = figure.add_axes((left / width, 1 - (top + TALL) / height, panel / width, TALL / height))
            _panel(axis, info, curves, ends, colours, column)
            _ticks(axis, ends, "" if row else info.unit)
            _words(axis, row, column, info.lrs[column])
    middle = (LEFT + columns * (panel + GAP) / 2) / width
    figure.text(middle, 0.12 / height, "epoch", fontsize=10, color=INK, ha="center")
    head(figure, f"{info.title}: error and norm over a training", subtitle, LEFT)
    lines = [Line2D([], [], color=colour, linewidth=2.2) for colour in colours]
    legend(figure, lines, [f"λ {number_text(lam)}" for lam in info.lams], left=LEFT, top=0.9 + down)
    return figure


def _panel(
    axis: Axes, info: CurvesSpec, curves: Array, ends: tuple[float, float], colours: list[str], column: int
) -> None:
    """``curves``, ``[λ, epoch]``; the best cell's line is drawn thicker, and above the others."""
    plain(axis)
    axis.set_yscale("log")
    for j, curve in enumerate(curves):
        best = (column, j) == info.best
        axis.plot(info.epochs, curve, color=colours[j], linewidth=2.8 if best else 1.2, zorder=4 if best else 3)
    axis.set_ylim(*ends)
    axis.set_xlim(info.epochs[0] - 0.5, info.epochs[-1] + 0.5)
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _words(axis: Axes, row: int, column: int, lr: float) -> None:
    """Scales at the left and below, the learning rate above."""
    if column == 0:
        axis.set_ylabel(("validation error", "norm of weights")[row], color=INK, fontsize=10)
    if row == 0:
        axis.set_title(f"lr {number_text(lr)}", fontsize=11, fontweight="bold", color=INK, loc="left")
    axis.tick_params(labelleft=column == 0, labelbottom=row == 1)


def _ticks(axis: Axes, ends: tuple[float, float], unit: str) -> None:
    axis.yaxis.set_major_locator(FixedLocator(nice_ticks(*ends)))
    axis.yaxis.set_minor_locator(NullLocator())

    def text(value: float, _: int | None) -> str:
        return f"{value:g}" if not unit else error_text(value, unit).replace(".0 %", " %")

    axis.yaxis.set_major_formatter(FuncFormatter(text))
