"""Every cell's error when the loss is multiplied, against its error when it is not."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ...units import error_text
from ..spec import ScaleFreeSpec
from ..spec.axes import nice_ticks
from ..spec.scale_free import common_limits, moved_words, within
from .style import CATEGORIES, GREY, INK, LEAST_WIDTH, head, legend, new_figure, plain, spare

LEFT, RIGHT, TOP, BOTTOM, PANEL, GAP = 0.85, 0.2, 1.75, 0.65, 2.5, 0.3
MARKERS = ("o", "s", "^", "D")


def draw_scale_free(panels: Sequence[ScaleFreeSpec], subtitle: str) -> Figure:
    """One panel for each optimizer; on the diagonal nothing moves."""
    width = max(LEFT + len(panels) * (PANEL + GAP) - GAP + RIGHT, LEAST_WIDTH)
    down = spare(subtitle, width, LEFT)
    height = TOP + PANEL + BOTTOM + down
    figure, ends = new_figure(width, height), common_limits(panels)
    for index, panel in enumerate(panels):
        left = LEFT + index * (PANEL + GAP)
        axis = figure.add_axes((left / width, BOTTOM / height, PANEL / width, PANEL / height))
        _panel(axis, panel, ends)
        axis.tick_params(labelleft=index == 0)
        axis.set_ylabel("error at loss × c" if index == 0 else "", color=INK, fontsize=10)
    head(figure, "Does it see the scale of the loss?", subtitle, LEFT)
    entries = [
        Line2D([], [], marker=MARKERS[k % 4], linestyle="", color=CATEGORIES[k % 4])
        for k in range(len(panels[0].factors))
    ]
    legend(figure, entries, [f"loss × {factor:g}" for factor in panels[0].factors], left=LEFT - 0.1, top=0.8 + down)
    return figure


def _panel(axis: Axes, panel: ScaleFreeSpec, ends: tuple[float, float]) -> None:
    plain(axis)
    axis.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    axis.plot(ends, ends, color=GREY, linewidth=1)
    for k, errors in enumerate(panel.scaled):
        x, y, colour = within(panel.base.ravel(), ends), within(errors.ravel(), ends), CATEGORIES[k % 4]
        axis.scatter(x, y, s=22, marker=MARKERS[k % 4], color=colour, alpha=0.75, linewidths=0, zorder=3, clip_on=False)

    def text(error: float, _: int | None) -> str:
        return error_text(error, panel.unit).replace(".0 %", " %")

    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(FixedLocator(nice_ticks(*ends)))
        side.set_minor_locator(NullLocator())
        side.set_major_formatter(FuncFormatter(text))
    axis.set_xlabel("error at loss × 1", color=INK, fontsize=10)
    axis.set_title(panel.title, fontsize=13, fontweight="bold", color=INK, loc="left", pad=22)
    axis.text(0, 1.05, moved_words(panel), transform=axis.transAxes, fontsize=9, color=GREY, va="center")
