"""Base-2 histograms of gradients, updates and weights."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import Any

import numpy as np

from ..spec import MagnitudesSpec
from ..spec.magnitudes import MagnitudesPanel, octave_ticks, octave_words, power_of_two, tallest
from .plot import Plot, axis, category_colour


def magnitudes_plots(info: MagnitudesSpec) -> list[Plot]:
    """By kind, then by epoch; a kind's share one scale."""
    top = tallest(info)
    return [_plot(info, one, top[one.kind]) for one in info.panels]


def _plot(info: MagnitudesSpec, one: MagnitudesPanel, top: float) -> Plot:
    bins = info.bins[one.kind]
    ticks, shares = octave_ticks(bins, 6), [float(x) for x in range(0, 101, 10) if x <= 100 * top]
    layout = {
        "xaxis": axis(tickvals=ticks, ticktext=list(map(power_of_two, ticks)))
        | {"range": [bins[0], bins[-1] + 1], "showgrid": False},
        "yaxis": axis(range=[0, 105 * top], tickvals=shares, ticktext=[f"{x:g} %" for x in shares]),
        "margin": {"l": 44, "r": 8, "t": 4, "b": 30},
        "hovermode": "closest",
    }
    words = octave_words(one)
    data = [_steps(info, one, k, bins) for k in range(len(info.titles))]
    label = f"Histogram of |{one.kind}| after epoch {one.epoch} for {' and '.join(info.titles)}: {words}."
    return Plot(f"|{one.kind}|, epoch {one.epoch}", label, {"data": data, "layout": layout})


def _steps(info: MagnitudesSpec, one: MagnitudesPanel, k: int, bins: tuple[int, ...]) -> dict[str, Any]:
    share = one.shares[k]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*bins, bins[-1] + 1],
        "y": 100 * np.append(share, share[-1:]),
        "line": {"shape": "hv", "color": category_colour(k), "width": 1.6},
        "fill": "tozeroy",
        "fillcolor": f"@fill-{k % 4}",
        "text": [
            f"{info.titles[k]}<br>{power_of_two(b)} … {power_of_two(b + 1)}: <b>{100 * x:.1f} %</b>"
            for b, x in zip(bins, share, strict=True)
        ]
        + [""],
        "hovertemplate": "%{text}<extra></extra>",
    }
