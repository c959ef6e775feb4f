"""What all pictures share: colours that the colour-blind can tell apart, sizes, and how a file is written."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from ...errors import StudyError

INK, GREY, FAINT, RED, GOLD = "#1f2328", "#57606a", "#d8dee4", "#d1242f", "#ffd33d"
CATEGORIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Okabe & Ito's."""
ERRORS, SEQUENCE, DIVERGING = "viridis_r", "viridis", "PuOr_r"
DPI = 1600 / 15.75
LETTER, LINE = 0.075, 0.185
"""Inches that a letter of size 9.5 takes at most, and a line of them."""
LEAST_WIDTH = 8.0
"""Inches, so that the headlines fit."""


def new_figure(width: float, height: float) -> Figure:
    """In inches; drawn without a display."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def folded(subtitle: str, width: float, left: float) -> list[str]:
    """The lines of a subtitle."""
    return textwrap.wrap(subtitle, max(20, int((width - left - 0.1) / LETTER)))


def spare(subtitle: str, width: float, left: float) -> float:
    """Inches that a subtitle takes beyond the two lines that every picture has room for."""
    return LINE * max(0, len(folded(subtitle, width, left)) - 2)


def head(figure: Figure, headline: str, subtitle: str, left: float) -> None:
    """What the picture shows, above all panels, and how it came about; ``left`` in inches."""
    width, height = figure.get_size_inches()
    lines = "\n".join(folded(subtitle, width, left))
    figure.text(left / width, 1 - 0.22 / height, headline, fontsize=15, fontweight="bold", color=INK, va="center")
    figure.text(left / width, 1 - 0.42 / height, lines, fontsize=9.5, color=GREY, va="top", linespacing=1.4)


def legend(figure: Figure, handles: Sequence[Artist], labels: Sequence[str], *, left: float, top: float) -> None:
    """In one row; ``left`` and ``top`` are its corner, in inches from the picture's."""
    width, height = figure.get_size_inches()
    figure.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(left / width, 1 - top / height),
        ncols=len(labels),
        frameon=False,
        fontsize=9.5,
        labelcolor=INK,
        handletextpad=0.5,
        columnspacing=1.4,
        borderaxespad=0,
        borderpad=0,
    )


def plain(axis: Axes) -> None:
    """No frame, no ticks; fine lines behind."""
    axis.spines[:].set_visible(False)
    axis.tick_params(which="both", length=0, labelsize=9, labelcolor=INK, pad=3)
    axis.grid(color=FAINT, linewidth=0.7)
    axis.set_axisbelow(True)


def sequence(count: int) -> list[str]:
    """As many colours in an order, all to be seen on white."""
    colours = mpl.colormaps[SEQUENCE]
    return [to_hex(colours(0.92 * i / max(count - 1, 1))) for i in range(count)]


def save(figure: Figure, path: Path) -> None:
    """Write PNG, SVG or PDF, as the suffix says. Raises ``StudyError`` if that cannot be."""
    dates: dict[str, Any] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "halflife", "pdf.fonttype": 42}):
        try:
            figure.savefig(path, metadata=dates.get(path.suffix))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StudyError(f"the picture {path} cannot be written ({reason}).") from error
