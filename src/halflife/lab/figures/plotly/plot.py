"""What all plots share. A colour is written ``@name``: the page reads it from its style sheet, light or dark."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

STEPS = 20
"""The style sheet's ``--seq-0`` … ``--seq-20``."""


class Plot(NamedTuple):
    """``label`` says in words what there is to see, for who cannot; ``figure`` holds plotly's data and layout."""

    title: str
    label: str
    figure: dict[str, Any]


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """An axis that a finger scrolls the page over instead of zooming."""
    return {"title": {"text": title}, "fixedrange": True, **more}


def cells(title: str, ticks: Sequence[str]) -> dict[str, Any]:
    """An axis of cells, one for each tick, all of one size."""
    return axis(
        title,
        tickvals=list(range(len(ticks))),
        ticktext=list(ticks),
        range=[-0.5, len(ticks) - 0.5],
        showgrid=False,
        zeroline=False,
    )


def logarithmic(title: str, ends: tuple[float, float], ticks: Sequence[float], words: Sequence[str]) -> dict[str, Any]:
    """An axis with these ticks and no other."""
    log_ends = [float(np.log10(end)) for end in ends]
    return axis(title, type="log", range=log_ends, tickvals=list(ticks), ticktext=list(words))


def sequence_colour(index: int, count: int) -> str:
    """The colour of one of ``count`` things in an order."""
    return f"@seq-{round(STEPS * index / max(count - 1, 1))}"


def category_colour(index: int) -> str:
    """The colour of one of a few things without an order."""
    return f"@cat-{index % 4}"


_AXIS = {
    "gridcolor": "@grid",
    "linecolor": "@grid",
    "zeroline": False,
    "ticks": "",
    "tickfont": {"size": 11},
    "title": {"font": {"size": 12}, "standoff": 6},
    "automargin": False,
}

TEMPLATE: dict[str, Any] = {
    "layout": {
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": "@ink"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 52, "r": 8, "t": 8, "b": 50},
        "showlegend": False,
        "dragmode": False,
        "hoverlabel": {
            "bgcolor": "@card",
            "bordercolor": "@line",
            "font": {"color": "@ink", "size": 12},
            "align": "left",
        },
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
}


def as_json(figure: Mapping[str, Any]) -> str:
    """To stand in a page: arrays as lists, four digits, what is not finite as null, nothing that ends a script."""
    return json.dumps(_plain(figure), ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
