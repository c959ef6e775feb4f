"""Error above, norm below, against λ: two optimizers, a plot for each learning rate."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import Any

import numpy as np

from ...units import error_text
from ..spec import number_text
from ..spec.axes import limits, nice_ticks
from ..spec.paired import PairedSpec
from .plot import Plot, category_colour, logarithmic


def paired_plots(info: PairedSpec) -> list[Plot]:
    """All on the same scales."""
    error_ends, norm_ends = (limits(np.concatenate([x.ravel() for x in part])) for part in (info.errors, info.norms))
    lam_ends = limits(np.concatenate(info.lams))
    errors, norms, lams = nice_ticks(*error_ends), nice_ticks(*norm_ends), _decades(lam_ends)
    words = [error_text(tick, info.unit).replace(".0 %", " %") for tick in errors]
    layout = {
        "xaxis": logarithmic("weight decay λ", lam_ends, lams, [number_text(x) for x in lams]) | {"anchor": "y2"},
        "yaxis": logarithmic("validation error", error_ends, errors, words) | {"domain": [0.53, 1]},
        "yaxis2": logarithmic("norm of weights", norm_ends, norms, [f"{x:g}" for x in norms]) | {"domain": [0, 0.47]},
        "margin": {"l": 58, "r": 8, "t": 4, "b": 44},
        "hovermode": "closest",
    }
    return [
        Plot(f"lr {number_text(lr)}", _label(info, lr), {"data": _lines(info, i), "layout": layout})
        for i, lr in enumerate(info.lrs)
    ]


def _decades(ends: tuple[float, float]) -> list[float]:
    powers = range(int(np.ceil(np.log10(ends[0]))), int(np.floor(np.log10(ends[1]))) + 1)
    return [10.0**power for power in powers]


def _lines(info: PairedSpec, i: int) -> list[dict[str, Any]]:
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": info.lams[k],
            "y": values[k][i],
            "yaxis": axis,
            "line": {"color": category_colour(k), "width": 2},
            "marker": {"symbol": ("circle", "square")[k], "size": 6, "color": category_colour(k)},
            "hovertemplate": f"{info.titles[k]}, λ %{{x}}<br>{name} <b>%{{y:.3g}}</b><extra></extra>",
        }
        for name, values, axis in (("error", info.errors, "y"), ("norm", info.norms, "y2"))
        for k in range(2)
    ]


def _label(info: PairedSpec, lr: float) -> str:
    first, second = info.titles
    return (
        f"Validation error and norm of the weights of {first} and {second} against weight decay at learning rate "
        f"{number_text(lr)}. {info.finding}."
    )
