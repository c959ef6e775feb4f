"""The best λ against a third axis."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import Any

from ..spec import number_text
from ..spec.axes import nice_ticks
from ..spec.scaling import ScalingSpec
from .plot import Plot, axis, logarithmic, sequence_colour


def scaling_plot(panel: ScalingSpec) -> Plot:
    """One optimizer along one axis."""
    low, high = panel.ends
    data: list[dict[str, Any]] = [_near(panel), *(_line(panel, k) for k in range(len(panel.lrs))), _best(panel)]
    if panel.law is not None:
        line = {"color": "@bad", "width": 2, "dash": "dash"}
        data.append({**_along(panel, panel.law), "mode": "lines", "line": line, "name": panel.law_words})
    words = [number_text(float(f"{tick:.3g}")) for tick in nice_ticks(low, high)]
    across = axis(panel.axis, tickvals=list(panel.places), ticktext=list(panel.ticks))
    layout = {
        "xaxis": {**across, "type": "log"} if panel.is_numeric else across,
        "yaxis": logarithmic("best weight decay λ", (low, high), nice_ticks(low, high), words),
        "hovermode": "closest",
    }
    label = f"{panel.title}: the best weight decay along {panel.axis}. {panel.finding}. {panel.law_words}."
    return Plot(panel.title, label, {"data": data, "layout": layout})


def _along(panel: ScalingSpec, lams: tuple[float, ...]) -> dict[str, Any]:
    return {"type": "scatter", "x": panel.places, "y": lams, "hovertemplate": "%{fullData.name}: λ %{y}<extra></extra>"}


def _line(panel: ScalingSpec, k: int) -> dict[str, Any]:
    colour = sequence_colour(k, len(panel.lrs))
    style = {"line": {"color": colour, "width": 1.5}, "marker": {"symbol": "diamond", "size": 7, "color": colour}}
    name = f"lr {number_text(panel.lrs[k])}"
    return {**_along(panel, panel.lines[k]), **style, "mode": "lines+markers", "name": name}


def _best(panel: ScalingSpec) -> dict[str, Any]:
    marker = {"symbol": "star", "size": 14, "color": "@gold", "line": {"color": "@ink", "width": 1}}
    return {**_along(panel, panel.best), "mode": "markers", "marker": marker, "name": "best cell"}


def _near(panel: ScalingSpec) -> dict[str, Any]:
    """A bar at each point, from the least to the largest λ near the best."""
    low, high = panel.near
    x = [place for place in panel.places for _ in range(3)]
    y = [value for ends in zip(low, high, strict=True) for value in (*ends, None)]
    return {
        "type": "scatter",
        "x": x,
        "y": y,
        "mode": "lines",
        "name": "near the best",
        "hoverinfo": "skip",
        "line": {"color": "@line", "width": 8},
    }
