"""What a second optimizer adds to a first one's error, cell by cell."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from ...units import difference_text
from ..spec import DifferenceSpec, number_text
from ..spec.difference import colour_end, finding, reading, sign_words
from .style import DIVERGING, FAINT, INK, head, new_figure, plain, spare

LEFT, RIGHT, TOP, BOTTOM, CELL_WIDTH, CELL_HEIGHT = 0.85, 1.6, 1.15, 0.75, 0.85, 0.42
LEAST_WIDTH = 9.0
"""Inches: the margins and a cell."""


def draw_difference(info: DifferenceSpec, subtitle: str) -> Figure:
    """Orange where the second has more errors, violet where the first has; framed where seeds do not explain it."""
    wide, tall = max(CELL_WIDTH * len(info.lams), LEAST_WIDTH), CELL_HEIGHT * len(info.lrs)
    width, words = LEFT + wide + RIGHT, f"{subtitle} {reading(info)}"
    height = TOP + tall + BOTTOM + spare(words, width, LEFT)
    figure = new_figure(width, height)
    axis = figure.add_axes((LEFT / width, BOTTOM / height, wide / width, tall / height))
    end = colour_end(info)
    axis.set_facecolor(FAINT)
    plain(axis)
    axis.grid(visible=False)
    shown = np.ma.masked_invalid(info.difference)
    image = axis.imshow(shown, origin="lower", aspect="auto", cmap=DIVERGING, vmin=-end, vmax=end)
    _colour_bar(figure, image, info, end, ((LEFT + wide + 0.2) / width, tall / height))
    axis.set_xticks(range(len(info.lams)), [number_text(lam) for lam in info.lams])
    axis.set_yticks(range(len(info.lrs)), [number_text(lr) for lr in info.lrs])
    axis.set_xlabel("weight decay λ", color=INK, fontsize=11)
    axis.set_ylabel("learning rate", color=INK, fontsize=11)
    for (i, j), value in np.ndenumerate(info.difference):
        text = difference_text(float(value), info.unit) if np.isfinite(value) else "–"
        weight = "bold" if info.beyond_noise[i, j] else "normal"
        dark = abs(value) > 0.65 * end
        axis.text(j, i, text, ha="center", va="center", fontsize=9, color="white" if dark else INK, weight=weight)
    head(figure, finding(info), words, LEFT)
    return figure


def _colour_bar(figure: Figure, image: AxesImage, info: DifferenceSpec, end: float, place: tuple[float, float]) -> None:
    """With its sign in words at either end."""
    left, tall = place
    width, height = figure.get_size_inches()
    axis = figure.add_axes((left, BOTTOM / height, 0.14 / width, tall))
    bar = figure.colorbar(image, cax=axis)
    bar.set_ticks([-end, 0.0, end], labels=[difference_text(x, info.unit) for x in (-end, 0.0, end)])
    bar.ax.tick_params(length=3, labelsize=9, labelcolor=INK)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    for y, words, side in zip((-0.06, 1.06), sign_words(info), ("top", "bottom"), strict=True):
        folded = "\n".join(textwrap.wrap(words, 16))
        axis.text(0, y, folded, transform=axis.transAxes, fontsize=8.5, color=INK, va=side, ha="left")
