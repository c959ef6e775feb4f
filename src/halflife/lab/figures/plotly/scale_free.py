"""Every cell's error when the loss is multiplied, against its error when it is not."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import Any

import numpy as np

from ...units import error_text
from ..spec import ScaleFreeSpec, number_text
from ..spec.axes import nice_ticks
from ..spec.scale_free import moved_words, within
from .plot import Plot, category_colour, logarithmic

SYMBOLS = ("circle", "square", "triangle-up", "diamond")


def scale_free_plot(panel: ScaleFreeSpec, ends: tuple[float, float]) -> Plot:
    """One optimizer; on the diagonal nothing moves."""
    ticks = nice_ticks(*ends)
    words = [error_text(tick, panel.unit).replace(".0 %", " %") for tick in ticks]
    diagonal = {"type": "scatter", "mode": "lines", "x": ends, "y": ends, "hoverinfo": "skip"}
    data = [
        {**diagonal, "line": {"color": "@muted", "width": 1}},
        *(_points(panel, k, ends) for k in range(len(panel.factors))),
    ]
    layout = {
        "xaxis": logarithmic("error at loss × 1", ends, ticks, words),
        "yaxis": logarithmic("error at loss × c", ends, ticks, words),
        "hovermode": "closest",
    }
    label = f"{panel.title}: each cell's error at loss × {panel.factors[-1]:g} against loss × 1; {moved_words(panel)}."
    return Plot(panel.title, label, {"data": data, "layout": layout})


def _points(panel: ScaleFreeSpec, k: int, ends: tuple[float, float]) -> dict[str, Any]:
    cells = list(np.ndindex(*panel.base.shape))
    return {
        "type": "scatter",
        "mode": "markers",
        "x": within(panel.base.ravel(), ends),
        "y": within(panel.scaled[k].ravel(), ends),
        "cliponaxis": False,
        "marker": {"symbol": SYMBOLS[k % 4], "size": 8, "color": category_colour(k), "opacity": 0.75},
        "text": [_words(panel, k, i, j) for i, j in cells],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _words(panel: ScaleFreeSpec, k: int, i: int, j: int) -> str:
    base, scaled = (error_text(float(errors[i, j]), panel.unit) for errors in (panel.base, panel.scaled[k]))
    where = f"lr {number_text(panel.lrs[i])}, λ {number_text(panel.lams[j])}"
    return f"{where}<br>{base} → <b>{scaled}</b> at loss × {panel.factors[k]:g}"
