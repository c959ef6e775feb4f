"""How many times as fast as torch: horizontal bars, one panel for each parameter set."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log2
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..lab.figures.matplotlib.heatmap import GREY, INK

FUSED, FOREACH = "#0969da", "#9ec5f4"
PEER_FUSED, PEER_FOREACH = "#6e7781", "#c9cfd6"
GRID = "#d8dee4"
WIDTH, PANEL_COLUMNS, ROW = 9.5, 3, 0.29
"""Of the figure and of a row of bars, in inches."""
LETTER = 0.08
"""Of a label, at most."""
LABELS, RIGHT, GAP, HEAD, FOOT, PANEL_HEAD = 2.75, 0.25, 0.3, 1.0, 0.42, 0.62


class SpeedBar(NamedTuple):
    """One row: how many times as fast as torch fused and as torch foreach; None where torch has no such code."""

    label: str
    over_fused: float | None
    over_foreach: float | None
    ours: bool


class SpeedPanel(NamedTuple):
    """One parameter set; the bars come in the order in which they are drawn, from above."""

    title: str
    subtitle: str
    bars: list[SpeedBar]


def draw_speeds(panels: Sequence[SpeedPanel], subtitle: str) -> Figure:
    """All panels on one logarithmic scale and with the same rows; bars start at torch's own speed, 1."""
    labels = list(dict.fromkeys(bar.label for panel in panels for bar in panel.bars))
    rows = ceil(len(panels) / PANEL_COLUMNS)
    columns = ceil(len(panels) / max(rows, 1))
    panel_height = ROW * max(len(labels), 2)
    height = HEAD + rows * (PANEL_HEAD + panel_height + FOOT)
    figure = Figure(figsize=(WIDTH, height), dpi=1600 / WIDTH, facecolor="white")
    FigureCanvasAgg(figure)
    names = max(LABELS, LETTER * max(map(len, labels), default=0))
    width = (WIDTH - names - RIGHT - GAP * (columns - 1)) / columns
    ends = span(panels)
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        left, top = names + column * (width + GAP), HEAD + row * (PANEL_HEAD + panel_height + FOOT) + PANEL_HEAD
        box = left / WIDTH, 1 - (top + panel_height) / height, width / WIDTH, panel_height / height
        _panel(figure.add_axes(box), panel, labels, ends, named=column == 0)
    _head(figure, subtitle, height, any(not bar.ours for panel in panels for bar in panel.bars))
    return figure


def span(panels: Sequence[SpeedPanel]) -> tuple[float, float]:
    """Where the common scale ends: powers of two around all bars, with room for their numbers."""
    found = [x for panel in panels for bar in panel.bars for x in (bar.over_fused, bar.over_foreach) if x]
    low, high = min([*found, 1.0]), max([*found, 1.0])
    return 2.0 ** (floor(log2(low)) - (low < 1) * 0.9), 2.0 ** (ceil(log2(high)) + 0.9)


def _panel(axis: Axes, panel: SpeedPanel, labels: list[str], ends: tuple[float, float], named: bool) -> None:
    axis.set_xscale("log", base=2)
    axis.set_xlim(*ends)
    axis.set_ylim(len(labels) - 0.4, -0.6)
    axis.set_yticks(range(len(labels)), labels if named else [])
    every = ceil(log2(ends[1] / ends[0]) / 6)
    ticks = [2.0**n for n in range(ceil(log2(ends[0])), floor(log2(ends[1])) + 1) if n % every == 0]
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(_tick))
    axis.grid(axis="x", color=GRID, linewidth=0.7)
    axis.set_axisbelow(True)
    axis.tick_params(length=0, labelsize=9.5, labelcolor=INK, pad=4)
    axis.spines[:].set_visible(False)
    axis.axvline(1, color=INK, linewidth=1.1, zorder=4)
    for bar in panel.bars:
        _bar(axis, bar, labels.index(bar.label))
    above = 4 / 72 / (ROW * max(len(labels), 2))
    axis.text(0, 1 + above * 5, panel.title, transform=axis.transAxes, fontsize=12.5, fontweight="bold", color=INK)
    axis.text(0, 1 + above * 1.4, panel.subtitle, transform=axis.transAxes, fontsize=8.5, color=GREY)


def _bar(axis: Axes, bar: SpeedBar, row: int) -> None:
    """The upper half against fused, the lower against foreach; the whole height where there is but one."""
    both = bar.over_fused is not None and bar.over_foreach is not None
    dark, light = (FUSED, FOREACH) if bar.ours else (PEER_FUSED, PEER_FOREACH)
    height = 0.4 if both else 0.5
    for value, shift, colour in ((bar.over_fused, -0.2, dark), (bar.over_foreach, 0.2, light)):
        if value is None:
            continue
        y = row + (shift if both else 0)
        axis.barh(y, value - 1, left=1, height=height, color=colour, zorder=3)
        faster = value >= 1
        axis.annotate(
            factor(value),
            (value, y),
            (3 if faster else -3, 0),
            textcoords="offset points",
            ha="left" if faster else "right",
            va="center_baseline",
            fontsize=8,
            color=INK,
        )


def _tick(value: float, _: int | None) -> str:
    return f"{value:.0f}×" if value >= 1 else f"1/{1 / value:.0f}×"


def factor(value: float) -> str:
    """0.48, 1.8, 12."""
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def _head(figure: Figure, subtitle: str, height: float, peers: bool) -> None:
    left = 0.25 / WIDTH
    headline = "How many times as fast as PyTorch a step is"
    figure.text(left, 1 - 0.3 / height, headline, fontsize=15, fontweight="bold", color=INK, va="center")
    figure.text(left, 1 - 0.58 / height, subtitle, fontsize=9.5, color=GREY, va="center")
    entries = [(FUSED, "against torch fused"), (FOREACH, "against torch foreach")]
    entries += [(PEER_FUSED, "other libraries, likewise")] if peers else []
    figure.legend(
        [Patch(color=colour) for colour, _ in entries],
        [words for _, words in entries],
        loc="center left",
        bbox_to_anchor=(left - 0.1 / WIDTH, 1 - 0.88 / height),
        ncols=len(entries),
        frameon=False,
        fontsize=10,
        labelcolor=INK,
    )
