"""All pictures of a study, or of the arms of a reproduction, by the names of their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ..result import Result
from .curves import draw_curves
from .difference import draw_difference
from .heatmap import draw
from .info import colour_scale, curves_info, difference_info, heatmap_info, scale_free_info
from .scale_free import draw_scale_free
from .style import save


def draw_result(result: Result, path: Path) -> Path:
    """The heatmaps of all its optimizers side by side, in the format that the name ends in."""
    save(_heatmaps(result), path)
    return path


def figures_of(results: Sequence[Result]) -> Iterator[tuple[str, Figure]]:
    """Name, without suffix, and picture, one after the other: what these results have the data for."""
    for index, result in enumerate(results):
        arm = f"-{index + 1}" if len(results) > 1 else ""
        words = recipe_words(result)
        yield f"heatmap{arm}", _heatmaps(result)
        for found in result.findings:
            curves = curves_info(result, found)
            if curves is not None:
                yield f"curves{arm}-{found.contender.name}", draw_curves(curves, words)
        apart = difference_info(result)
        if apart is not None:
            yield f"difference{arm}", draw_difference(apart, words)
    panels = scale_free_info(results)
    if panels:
        yield "scale-free", draw_scale_free(panels, recipe_words(results[0]))


def _heatmaps(result: Result) -> Figure:
    title = f"{result.title}. " if result.title != result.problem.name else ""
    scale = colour_scale(result.findings, result.reference)
    return draw([heatmap_info(found) for found in result.findings], scale, title + recipe_words(result))


def recipe_words(result: Result) -> str:
    """The problem and how it was trained, in a line."""
    settings = result.settings
    seeds = f"{settings.seeds} seed{'s' * (settings.seeds > 1)}"
    epochs = f"{settings.epochs} epoch{'s' * (settings.epochs > 1)} of batches of {settings.batch_size}"
    schedule = {"drops": "drops in lr"}.get(settings.schedule, settings.schedule)
    more = [f"loss × {settings.loss_scale:g}"] if settings.loss_scale != 1 else []
    more += [f"ε = {settings.eps:g}"] if settings.eps is not None else []
    return f"{result.problem.description}. {', '.join([seeds, epochs, f'{schedule} schedule', *more])}."
