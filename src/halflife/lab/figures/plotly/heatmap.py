"""A heatmap whose cells say their value under the cursor."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import Any

import numpy as np

from ...units import error_text
from ..spec import ColourScale, HeatmapSpec, number_text
from ..spec.heatmap import positions
from .plot import Plot, cells

VIRIDIS = ("#fde725", "#b5de2b", "#6ece58", "#35b779", "#1f9e89", "#26828e", "#31688e", "#3e4989", "#482878", "#440154")
"""From good to bad: yellow is little error."""
SLANTS = ((-0.48, 0.0), (-0.48, 0.48), (0.0, 0.48))
"""Where the lines of a hatched cell begin and end, from its middle."""


def heatmap_plot(panel: HeatmapSpec, scale: ColourScale) -> Plot:
    """Colours by the logarithm of the error, between the ends that all panels share."""
    data = [_cells(panel, scale), *_hatching(panel), *_line(panel), *_marks(panel)]
    layout = {
        "xaxis": cells("weight decay λ", [number_text(lam) for lam in panel.lams]) | {"tickangle": -45},
        "yaxis": cells("learning rate", [number_text(lr) for lr in panel.lrs]),
        "margin": {"l": 58, "r": 4, "t": 4, "b": 62},
    }
    return Plot(panel.title, label_words(panel), {"data": data, "layout": layout})


def _cells(panel: HeatmapSpec, scale: ColourScale) -> dict[str, Any]:
    with np.errstate(divide="ignore", invalid="ignore"):
        shown = np.log10(np.maximum(panel.shown, scale.low / 2))
    return {
        "type": "heatmap",
        "z": shown,
        "zmin": np.log10(scale.low),
        "zmax": np.log10(scale.high),
        "colorscale": [[i / (len(VIRIDIS) - 1), colour] for i, colour in enumerate(VIRIDIS)],
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
        "text": [[cell_words(panel, i, j) for j in range(len(panel.lams))] for i in range(len(panel.lrs))],
        "hovertemplate": "%{text}<extra></extra>",
        "hoverongaps": True,
    }


def cell_words(panel: HeatmapSpec, i: int, j: int) -> str:
    """What a cell says of itself."""
    done, lost = int(panel.n_runs[i, j]), int(panel.n_diverged[i, j])
    words = [f"lr {number_text(panel.lrs[i])}, λ {number_text(panel.lams[j])}"]
    if done:
        words.append(f"<b>{error_text(float(panel.errors[i, j]), panel.unit, float(panel.spread[i, j]))}</b>")
    if done < panel.seeds:
        words.append(f"{done} of {panel.seeds} seeds done")
    if lost:
        words.append(f"{lost} of {done} diverged")
    if (i, j) in panel.good:
        place = panel.good.index((i, j)) + 1
        words.append("the best" if place == 1 else f"no. {place} of all cells")
    return "<br>".join(words)


def _hatching(panel: HeatmapSpec) -> list[dict[str, Any]]:
    """Slanted lines over the cells in which a run diverged: in the page's colour where no error is left to show."""
    lost = np.isnan(panel.shown)
    parts = [(np.argwhere(panel.diverged & ~lost), "#fff"), (np.argwhere(panel.diverged & lost), "@muted")]
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "hoverinfo": "skip",
            "line": {"color": colour, "width": 1},
            "x": [x for _, j in found for a, b in SLANTS for x in (j + a, j + b, None)],
            "y": [y for i, _ in found for a, b in SLANTS for y in (i - b, i - a, None)],
        }
        for found, colour in parts
        if len(found)
    ]


def _line(panel: HeatmapSpec) -> list[dict[str, Any]]:
    """The valley, drawn twice: a white one below, so that the red one is seen on every colour."""
    if not panel.valley:
        return []
    x, y = positions(panel.valley, panel)
    shared = {"type": "scatter", "mode": "lines", "x": x, "y": y, "hoverinfo": "skip"}
    return [
        {**shared, "line": {"color": colour, "width": width}} for colour, width in (("#fff", 4.5), ("#d1242f", 2.2))
    ]


def _marks(panel: HeatmapSpec) -> list[dict[str, Any]]:
    shared = {"type": "scatter", "mode": "markers", "hoverinfo": "skip"}
    best, others = panel.good[0], panel.good[1:]
    marks = [
        ([j for _, j in others], [i for i, _ in others], _marker("circle", 7, "#fff", "#1f2328")),
        (*(positions(panel.ridge, panel) if panel.ridge else ([], [])), _marker("diamond", 7, "#d1242f", "#fff")),
        ([best[1]], [best[0]], _marker("star", 16, "#ffd33d", "#1f2328")),
    ]
    return [{**shared, "x": x, "y": y, "marker": marker} for x, y, marker in marks if len(x)]


def _marker(symbol: str, size: int, colour: str, edge: str) -> dict[str, Any]:
    return {"symbol": symbol, "size": size, "color": colour, "line": {"color": edge, "width": 1}}


def label_words(panel: HeatmapSpec) -> str:
    """The picture in words."""
    i, j = panel.good[0]
    best = error_text(float(panel.errors[i, j]), panel.unit)
    worst = error_text(float(np.nanmax(panel.errors)), panel.unit)
    return (
        f"Heatmap of {panel.title}'s validation error over {len(panel.lrs)} learning rates and {len(panel.lams)} "
        f"weight decays: from {best} at lr {number_text(panel.lrs[i])}, λ {number_text(panel.lams[j])} to {worst}; "
        f"{panel.coupling}. All values are in the table of all cells."
    )
