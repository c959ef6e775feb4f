"""Error above, norm below, against the epoch: a plot for each learning rate, a line for each λ."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import Any

import numpy as np

from ...units import is_share
from ..spec import CurvesSpec, number_text
from ..spec.axes import limits, nice_ticks
from ..spec.heatmap import Array
from .plot import Plot, axis, logarithmic, sequence_colour


def curves_plots(info: CurvesSpec) -> list[Plot]:
    """One for each learning rate, all on the same scales."""
    scale, sign = (100, " %") if is_share(info.unit) else (1, "")
    info = info._replace(val_error=scale * info.val_error)
    error_ends, norm_ends = limits(info.val_error), limits(info.weight_norm)
    ticks, norms = nice_ticks(*error_ends), nice_ticks(*norm_ends)
    words = [f"{tick:g}{sign}" for tick in ticks]
    layout = {
        "xaxis": axis("epoch", anchor="y2", range=[info.epochs[0] - 1, info.epochs[-1] + 1], nticks=5),
        "yaxis": logarithmic("validation error", error_ends, ticks, words) | {"domain": [0.53, 1]},
        "yaxis2": logarithmic("norm of weights", norm_ends, norms, [f"{x:g}" for x in norms]) | {"domain": [0, 0.47]},
        "margin": {"l": 58, "r": 8, "t": 4, "b": 44},
        "hovermode": "closest",
    }
    return [
        Plot(f"lr {number_text(lr)}", _label(info, i), {"data": _lines(info, i), "layout": layout})
        for i, lr in enumerate(info.lrs)
    ]


def _lines(info: CurvesSpec, i: int) -> list[dict[str, Any]]:
    """The best cell's come last, above the others, and thicker."""
    order = sorted(range(len(info.lams)), key=lambda j: (i, j) == info.best)
    lines: list[dict[str, Any]] = []
    for name, values, row in (("error", info.val_error, "y"), ("norm", info.weight_norm, "y2")):
        for j in order:
            curve = values[i, j]
            if np.isfinite(curve).any():
                lines.append(_line(info, j, curve, row, thick=(i, j) == info.best, name=name))
    return lines


def _line(info: CurvesSpec, j: int, curve: Array, row: str, *, thick: bool, name: str) -> dict[str, Any]:
    """``meta`` is the place of its λ, by which a click on a cell finds it."""
    value = "%{y:.1f} %" if name == "error" and is_share(info.unit) else "%{y:.3g}"
    return {
        "type": "scatter",
        "mode": "lines",
        "meta": j,
        "x": info.epochs,
        "y": np.where(curve > 0, curve, np.nan),
        "yaxis": row,
        "line": {"color": sequence_colour(j, len(info.lams)), "width": 3.5 if thick else 1.5},
        "hovertemplate": f"λ {number_text(info.lams[j])}, epoch %{{x}}<br>{name} <b>{value}</b><extra></extra>",
    }


def _label(info: CurvesSpec, i: int) -> str:
    return (
        f"Validation error and norm of the weights of {info.title} after each epoch at learning rate "
        f"{number_text(info.lrs[i])}, a line for each of {len(info.lams)} weight decays from "
        f"{number_text(info.lams[0])} to {number_text(info.lams[-1])}."
    )
