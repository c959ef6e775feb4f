"""What a second optimizer adds to a first one's error, cell by cell."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from .info import DifferenceInfo, number_text
from .info.text import difference_text
from .style import DIVERGING, FAINT, INK, head, new_figure, plain, spare

LEFT, TOP, BOTTOM, CELL_WIDTH, CELL_HEIGHT = 0.85, 1.15, 0.75, 0.85, 0.42
LEAST_WIDTH = 9.0
"""Inches: the margins and a cell."""


def draw_difference(info: DifferenceInfo, subtitle: str) -> Figure:
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


def colour_end(info: DifferenceInfo) -> float:
    """Where the colours end: at three times the seeds' noise at least, so that luck looks pale."""
    known = np.abs(info.difference[np.isfinite(info.difference)])
    largest = float(known.max(initial=0.0))
    return max(min(largest, 10 * info.noise) if info.noise > 0 else largest, 3 * np.nan_to_num(info.noise), 1e-6)


def reading(info: DifferenceInfo) -> str:
    """How to read the numbers."""
    noise = difference_text(info.noise, info.unit).removeprefix("+") if np.isfinite(info.noise) else ""
    other = f"another seed moves {info.first} by {noise}; " if noise else ""
    points = "points" if difference_text(1.0, info.unit) == "+100.00" else info.unit
    return f"In {points}, mean over paired seeds; {other}bold: beyond that and twice its standard error."
