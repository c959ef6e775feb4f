"""All pictures of a study, or of the conditions of a reproduction, by the names of their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from ..result import Result
from .matplotlib.curves import draw_curves
from .matplotlib.difference import draw_difference
from .matplotlib.heatmap import draw
from .matplotlib.scale_free import draw_scale_free
from .spec import colour_scale, curves_spec, difference_spec, heatmap_spec, scale_free_spec


class Picture(NamedTuple):
    """``name`` is its file's, without the suffix."""

    name: str
    title: str
    figure: Figure


def figures_of(results: Sequence[Result]) -> Iterator[Picture]:
    """One after the other: what these results have the data for."""
    for index, result in enumerate(results):
        condition = f"-{index + 1}" if len(results) > 1 else ""
        words = recipe_words(result)
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
    panels = scale_free_spec(results)
    if panels:
        yield Picture("scale-free", "Errors under a multiplied loss", draw_scale_free(panels, recipe_words(results[0])))


def _heatmaps(result: Result) -> Figure:
    title = f"{result.title}. " if result.title != result.problem.name else ""
    scale = colour_scale(result.findings, result.baseline)
    return draw([heatmap_spec(found) for found in result.findings], scale, title + recipe_words(result))


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
