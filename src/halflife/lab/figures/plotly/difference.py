"""What a second optimizer adds to a first one's error, cell by cell."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import numpy as np

from ...units import difference_text
from ..spec import DifferenceSpec, number_text
from ..spec.difference import colour_end, finding
from .plot import Plot, cells

COLOURS = ("@less", "@card", "@more")
"""Fewer errors than the first optimizer, as many, more."""


def difference_plot(info: DifferenceSpec) -> Plot:
    """The numbers stand in the cells: bold where luck does not explain them."""
    end = colour_end(info)
    rows, columns = range(len(info.lrs)), range(len(info.lams))
    cell = {
        "type": "heatmap",
        "z": np.clip(info.difference, -end, end),
        "zmin": -end,
        "zmax": end,
        "colorscale": [[i / 2, colour] for i, colour in enumerate(COLOURS)],
        "colorbar": {
            "thickness": 12,
            "tickvals": [-end, 0, end],
            "ticktext": [difference_text(x, info.unit) for x in (-end, 0.0, end)],
            "outlinewidth": 0,
        },
        "xgap": 1,
        "ygap": 1,
        "text": [[_number(info, i, j) for j in columns] for i in rows],
        "texttemplate": "%{text}",
        "customdata": [[_words(info, i, j) for j in columns] for i in rows],
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    layout = {
        "xaxis": cells("weight decay λ", [number_text(lam) for lam in info.lams]) | {"tickangle": -45},
        "yaxis": cells("learning rate", [number_text(lr) for lr in info.lrs]),
        "margin": {"l": 58, "r": 70, "t": 4, "b": 62},
    }
    return Plot(finding(info), _label(info), {"data": [cell], "layout": layout})


def _number(info: DifferenceSpec, i: int, j: int) -> str:
    value = float(info.difference[i, j])
    if not np.isfinite(value):
        return ""
    text = difference_text(value, info.unit)
    return f"<b>{text}</b>" if info.beyond_noise[i, j] else text


def _words(info: DifferenceSpec, i: int, j: int) -> str:
    where = f"lr {number_text(info.lrs[i])}, λ {number_text(info.lams[j])}"
    if not np.isfinite(info.difference[i, j]):
        return f"{where}<br>not run by both"
    error = float(info.error[i, j])
    more = f"<br>standard error {difference_text(error, info.unit).lstrip('+')}" if np.isfinite(error) else ""
    return f"{where}<br><b>{difference_text(float(info.difference[i, j]), info.unit)}</b>{more}"


def _label(info: DifferenceSpec) -> str:
    largest = difference_text(float(np.abs(np.nan_to_num(info.difference)).max()), info.unit).lstrip("+")
    return (
        f"Heatmap of {info.second}'s validation error minus {info.first}'s in the same cell: at most {largest} apart."
    )
