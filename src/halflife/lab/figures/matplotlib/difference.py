"""What a second optimizer adds to a first one's error, cell by cell."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ...units import difference_text
from ..spec import DifferenceSpec, number_text
from ..spec.difference import colour_end, reading
from .style import DIVERGING, FAINT, INK, head, new_figure, plain, spare

LEFT, TOP, BOTTOM, CELL_WIDTH, CELL_HEIGHT = 0.85, 1.15, 0.75, 0.85, 0.42
LEAST_WIDTH = 9.0
"""Inches: the margins and a cell."""


def draw_difference(info: DifferenceSpec, subtitle: str) -> Figure:
    """Orange where the second has more errors, violet where the first has; framed where seeds do not explain it."""
    wide, tall = max(CELL_WIDTH * len(info.lams), LEAST_WIDTH), CELL_HEIGHT * len(info.lrs)
    width, words = LEFT + wide + 0.3, f"{subtitle} {reading(info)}"
    height = TOP + tall + BOTTOM + spare(words, width, LEFT)
    figure = new_figure(width, height)
    axis = figure.add_axes((LEFT / width, BOTTOM / height, wide / width, tall / height))
    end = colour_end(info)
    axis.set_facecolor(FAINT)
    plain(axis)
    axis.grid(visible=False)
    shown = np.ma.masked_invalid(info.difference)
    axis.imshow(shown, origin="lower", aspect="auto", cmap=DIVERGING, vmin=-end, vmax=end)
    axis.set_xticks(range(len(info.lams)), [number_text(lam) for lam in info.lams])
    axis.set_yticks(range(len(info.lrs)), [number_text(lr) for lr in info.lrs])
    axis.set_xlabel("weight decay λ", color=INK, fontsize=11)
    axis.set_ylabel("learning rate", color=INK, fontsize=11)
    for (i, j), value in np.ndenumerate(info.difference):
        text = difference_text(float(value), info.unit) if np.isfinite(value) else "–"
        weight = "bold" if info.beyond_noise[i, j] else "normal"
        dark = abs(value) > 0.65 * end
        axis.text(j, i, text, ha="center", va="center", fontsize=9, color="white" if dark else INK, weight=weight)
    head(figure, f"{info.second} − {info.first}: validation error", words, LEFT)
    return figure
