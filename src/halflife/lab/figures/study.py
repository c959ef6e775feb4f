"""All pictures of a study, or of the conditions of a reproduction, by the names of their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ..analysis.scaling import scalings
from ..config.axis import AxisPoint
from ..result import Result
from .matplotlib.curves import draw_curves
from .matplotlib.difference import draw_difference
from .matplotlib.heatmap import draw
from .matplotlib.paired import draw_paired
from .matplotlib.scale_free import draw_scale_free
from .matplotlib.scaling import draw_scaling
from .spec import (
    ColourScale,
    HeatmapSpec,
    colour_scale,
    curves_spec,
    difference_spec,
    headline,
    heatmap_spec,
    scale_free_spec,
)
from .spec.heatmap import CLIP
from .spec.paired import paired_spec
from .spec.scaling import scaling_spec

TIMES = "× the least"


class Picture(NamedTuple):
    """``name`` is its file's, without the suffix."""

    name: str
    title: str
    figure: Figure


def figures_of(results: Sequence[Result]) -> Iterator[Picture]:
    """One after the other: what these results have the data for."""
    yield from _along(results)
    for index, result in enumerate(results):
        condition = f"-{index + 1}" if len(results) > 1 else ""
        words = recipe_words(result)
        if result.point is None:
            yield Picture(f"heatmap{condition}", f"Validation error: {result.title}", _heatmaps(result))
        for found in result.findings:
            curves = curves_spec(result, found)
            if curves is not None:
                title = f"Error and norm by epoch: {result.title}, {found.spec.label}"
                yield Picture(f"curves{condition}-{found.spec.name}", title, draw_curves(curves, words))
        apart = difference_spec(result)
        if apart is not None:
            title = f"{apart.second} against {apart.first}: {result.title}"
            yield Picture(f"difference{condition}", title, draw_difference(apart, words))
        paired = paired_spec(result)
        if paired is not None:
            yield Picture(f"paired{condition}", f"Error beside norm: {result.title}", draw_paired(paired, words))
    panels = scale_free_spec(results)
    if panels:
        yield Picture("scale-free", "Errors under a multiplied loss", draw_scale_free(panels, recipe_words(results[0])))


def _along(results: Sequence[Result]) -> Iterator[Picture]:
    """Of studies along a third axis: the best λ against it, and each optimizer's heatmaps in a row."""
    along = scalings(results)
    if not along:
        return
    axes = " and ".join(dict.fromkeys(one.axis for one in along))
    words = axis_words(results)
    yield Picture("axis", f"Best λ against {axes}", draw_scaling(list(map(scaling_spec, along)), words))
    for one in along:
        spec = one.spec
        panels = [_relative(heatmap_spec(found), point) for point, found in zip(one.points, one.findings, strict=True)]
        scale = ColourScale(1.0, CLIP, float("nan"))
        title = f"Validation error along {one.axis}: {spec.label}"
        yield Picture(
            f"heatmap-{one.axis}-{spec.name}",
            title,
            draw(panels, scale, f"{spec.label}: multiples of each point's least error. {words}"),
        )


def _relative(panel: HeatmapSpec, point: AxisPoint) -> HeatmapSpec:
    """Errors as multiples of the least one at this point of the axis: points differ by more than cells do."""
    least = float(np.nanmin(panel.errors)) or 1.0
    return panel._replace(title=str(point), errors=panel.errors / least, spread=panel.spread / least, unit=TIMES)


def axis_words(results: Sequence[Result]) -> str:
    """The problem and what stays the same along an axis, in a line."""
    first = next(result for result in results if result.point is not None)
    if first.is_imported:
        return f"{first.problem.description}."
    each = {(result.settings.epochs, result.settings.batch_size, result.settings.schedule) for result in results}
    return (
        f"{first.problem.name}, {first.settings.seeds} seeds; {recipe_words(first)}"
        if len(each) == 1
        else (f"{first.problem.name}, {first.settings.seeds} seeds at each point.")
    )


def _heatmaps(result: Result) -> Figure:
    title = f"{result.title}. " if result.title != result.problem.name else ""
    scale = colour_scale(result.findings, result.baseline)
    panels = [heatmap_spec(found) for found in result.findings]
    return draw(panels, scale, title + recipe_words(result), headline(result.findings))


def recipe_words(result: Result) -> str:
    """The problem and how it was trained, in a line."""
    settings = result.settings
    seeds = f"{settings.seeds} seed{'s' * (settings.seeds > 1)}"
    if result.is_imported:
        return f"{result.problem.description}: {seeds}."
    epochs = f"{settings.epochs} epoch{'s' * (settings.epochs > 1)} of batches of {settings.batch_size}"
    schedule = {"drops": "drops in lr"}.get(settings.schedule, settings.schedule)
    more = [f"loss × {settings.loss_scale:g}"] if settings.loss_scale != 1 else []
    more += [f"ε = {settings.eps:g}"] if settings.eps is not None else []
    return f"{result.problem.description}. {', '.join([seeds, epochs, f'{schedule} schedule', *more])}."
