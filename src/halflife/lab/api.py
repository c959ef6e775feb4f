"""From settings, or a reproduction's name, to results and pictures in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from .config.axis import Axis
from .config.scales import settings_of
from .config.settings import Settings
from .config.task import training_of
from .errors import StudyError
from .execution.config import ExecutionConfig
from .figures import Picture, figures_of, save
from .notebook import usual_listener
from .progress import Listener
from .refinement import ROUNDS, beyond_edges, more_seeds
from .reproductions import PRESETS, Conclusion, Condition, Preset, Scale, check_scale
from .reproductions.page import Drawn, page
from .result import Result
from .study import Study

FORMATS = ("png", "svg", "pdf")


class Outcome(NamedTuple):
    """What a run came to.

    Attributes:
        results: one for each study of a reproduction, or for each point of an axis.
        pictures: their files.
        conclusion: what a reproduction comes to.

    Example:
        >>> from halflife.lab import ExecutionConfig, Settings, run_study
        >>> grid = Settings("ridge", optimizers="sgd", lrs=(0.01,), lams=(0.1, 1.0), seeds=1, epochs=1)
        >>> outcome = run_study(grid, "study", how=ExecutionConfig("processes", workers=1))
        >>> [picture.name for picture in outcome.pictures]
        ['heatmap.png']
    """

    results: list[Result]
    pictures: list[Path]
    conclusion: Conclusion | None = None


def run_study(
    settings: Settings,
    folder: Path | str,
    progress: Listener | None = None,
    how: ExecutionConfig | None = None,
    command: str = "",
    refine: bool = False,
    axis: Axis | None = None,
    formats: Sequence[str] = ("png",),
) -> Outcome:
    """Run a study, with its ledger ``study.db``, ``heatmap.png`` and what else can be drawn of it in ``folder``.

    Args:
        settings: what is tried.
        folder: where it is written; what is there already is not trained again.
        progress: hears how far it is; without it a notebook shows a bar, and scripts print nothing.
        how: where and how networks are trained; None is in this machine's processes.
        command: what to say to have it again, for the report.
        refine: adds cells where a best one lies at the grid's edge, and then, in a second result, seeds for those
            between whom they decide.
        axis: a third axis: the study is run at each of its points, all in one ledger, a result for each.
        formats: what the pictures are written as: png, svg, pdf.

    Returns:
        The results and the pictures.

    Raises:
        StudyError: if the settings cannot be met or the folder cannot be written.

    Example:
        Six networks, of one epoch each; usual grids have 7 × 7 cells and 4 seeds.
        >>> from halflife.lab import ExecutionConfig, Settings, run_study
        >>> grid = Settings("ridge", optimizers="sgd", lrs=(0.01, 0.03), lams=(0.1, 1.0), seeds=1, epochs=1)
        >>> outcome = run_study(grid, "study", how=ExecutionConfig("processes", workers=1))
        >>> found = outcome.results[0].findings[0]
        >>> found.best_lr, found.best_lam
        (0.03, 1.0)
    """
    folder = Path(folder)
    check_formats(formats)
    progress = progress or usual_listener()
    if axis is not None:
        if refine:
            raise StudyError("--refine goes with one study: refine the one at a point of the axis, without --axis.")
        conditions = conditions_along(settings, axis)
        results = list(_run_each(conditions, folder, progress, how, {"command": command}))
        return Outcome(results, list(_all_drawn(figures_of(results), folder, formats)))
    results = [Study(settings, folder, how, origin={"command": command}).run(progress)]
    if refine:
        results = list(_refined(results[0], folder, progress, how, command))
    return Outcome(results, list(_all_drawn(figures_of(results), folder, formats)))


def _refined(
    result: Result, folder: Path, progress: Listener, how: ExecutionConfig | None, command: str
) -> Iterator[Result]:
    """The study with as many cells as it takes, and one with more seeds where they decide."""
    for _ in range(ROUNDS):
        wider = None if result.note else beyond_edges(result)
        if wider is None:
            break
        result = Study(wider, folder, how, result.title, {"command": command}).run(progress)
    yield result
    deeper = None if result.note else more_seeds(result)
    if deeper is not None:
        yield Study(deeper, folder, how, f"{result.title}, refined", {"command": command}).run(progress)


def run_preset(
    preset: Preset | str,
    scale: Scale,
    folder: Path,
    progress: Listener | None = None,
    how: ExecutionConfig | None = None,
    given: Mapping[str, Any] | None = None,
    command: str = "",
    formats: Sequence[str] = ("png",),
) -> Outcome:
    """Run the studies of a reproduction, all in one ledger, and say in ``reproduction.md`` whether its claim holds.

    Args:
        preset: its name, as ``halflife study --help`` lists them, or one of your own.
        scale: "smoke", which only shows that all runs, "small", "medium" or "paper".
        folder: where it is written; what is there already is not trained again.
        progress, how, command, formats: as for ``run_study``.
        given: replaces settings of each study.

    Returns:
        The results, the pictures and the conclusion.

    Raises:
        StudyError: as ``run_study`` does, and if an optimizer is left out that the claim speaks of.

    Example:
        A claim of your own, tested by one study of three networks:
        >>> from pathlib import Path
        >>> from halflife.lab import ExecutionConfig, Settings, run_preset
        >>> from halflife.lab.reproductions import Conclusion, Condition, Preset
        >>> grid = Settings("ridge", optimizers="sgd", lrs=(0.01,), lams=(0.1, 1.0), seeds=1, epochs=1)
        >>> def conclude(results):
        ...     λ = results[0].findings[0].best_lam
        ...     return Conclusion(λ == 1.0, f"the best λ is {λ:g}", ())
        >>> about = ("mine", "Decay helps", "The best λ is 1.", "nobody", "none", {"small": "1 s", "paper": "1 s"})
        >>> mine = Preset(*about, lambda scale: [Condition("ridge", grid)], conclude)
        >>> how = ExecutionConfig("processes", workers=1)
        >>> run_preset(mine, "small", Path("mine"), how=how).conclusion
        Conclusion(holds=True, sentence='the best λ is 1', figures=())
    """
    check_formats(formats)
    progress = progress or usual_listener()
    chosen = PRESETS[preset] if isinstance(preset, str) else preset
    check_scale(chosen, scale)
    _check_given(chosen, scale, given or {})
    conditions = [_changed(chosen, condition, given or {}) for condition in chosen.conditions(scale)]
    origin = {"command": command, "preset": chosen.name, "scale": scale}
    results = list(_run_each(conditions, folder, progress, how, origin))
    pictures = [
        _in_all_formats(picture, folder, formats)
        for picture in chain(figures_of(results), _more(chosen, results, how or ExecutionConfig()))
    ]
    conclusion = chosen.conclude(results)
    if scale == "smoke":
        conclusion = conclusion._replace(holds=None)  # it shows that all runs, and nothing more
    (folder / "reproduction.md").write_text(page(chosen, scale, results, pictures, conclusion), encoding="utf-8")
    return Outcome(results, [picture.path for picture in pictures], conclusion)


def conditions_along(settings: Settings, axis: Axis) -> list[Condition]:
    """The study at each point of an axis. Raises ``StudyError`` if it cannot be had there."""
    name = problem_words(settings)
    return [Condition(f"{name}, {point}", one, point) for point, one in axis.settings(settings)]


def problem_words(settings: Settings) -> str:
    """What a study's problem is called before it is read."""
    return settings.problem if isinstance(settings.problem, str) else settings.problem.name


def settings_named(
    target: str, scale: Scale, given: Mapping[str, Any], axis: Axis | None = None
) -> dict[str, Settings]:
    """By the studies' titles, empty for a single one: what a reproduction, a problem or a file of one's own tries."""
    if target not in PRESETS:
        settings = settings_of(target, scale, given)
        return {"": settings} if axis is None else {one.title: one.settings for one in conditions_along(settings, axis)}
    check_scale(PRESETS[target], scale)
    _check_given(PRESETS[target], scale, given)
    return {one.title: replace(one.settings, **given) for one in PRESETS[target].conditions(scale)}


def _more(preset: Preset, results: list[Result], how: ExecutionConfig) -> Iterator[Picture]:
    """A reproduction's own pictures, if the driver has the device: on Ray the workers may have it alone."""
    if how.lacks_device:
        return iter(())
    return preset.draw(results, [training_of(result.settings, how) for result in results])


def _all_drawn(pictures: Iterable[Picture], folder: Path, formats: Sequence[str]) -> Iterator[Path]:
    for picture in pictures:
        for form in formats:
            yield _drawn(picture, folder, form).path


def _in_all_formats(picture: Picture, folder: Path, formats: Sequence[str]) -> Drawn:
    """The PNG, which a page shows; the others lie beside it."""
    for form in formats:
        _drawn(picture, folder, form)
    return _drawn(picture, folder)


def check_formats(formats: Sequence[str]) -> Sequence[str]:
    """Raises ``StudyError`` for one that pictures are not written as."""
    for form in formats:
        if form not in FORMATS:
            raise StudyError(f"pictures are written as {', '.join(FORMATS)}, not as {form!r}.")
    return formats


def _drawn(picture: Picture, folder: Path, form: str = "png") -> Drawn:
    path = folder / f"{picture.name}.{form}"
    save(picture.figure, path)
    return Drawn(picture.title, path)


def _check_given(preset: Preset, scale: Scale, given: Mapping[str, Any]) -> None:
    """Raises ``StudyError`` for a setting in which the studies differ: given to all, it would make them one."""
    studies = [condition.settings for condition in preset.conditions(scale)]
    for name in given:
        values = [getattr(one, name) for one in studies]
        if any(value != values[0] for value in values):
            each = ", ".join(dict.fromkeys(map(str, values)))
            raise StudyError(
                f"{preset.name} compares studies that differ in {name.replace('_', ' ')} ({each}), so it cannot be "
                "given; run a study of the problem by itself."
            )


def _changed(preset: Preset, condition: Condition, given: Mapping[str, Any]) -> Condition:
    """The study with the settings that were given."""
    settings = replace(condition.settings, **given)
    missing = [name for name in condition.settings.optimizers if name not in settings.optimizers]
    if missing:
        raise StudyError(
            f"{preset.name} tests a claim about {' and '.join(missing)}, which the optimizers given leave out; add "
            f"{'it' if len(missing) == 1 else 'them'}, or run a study of the problem {settings.problem!r} by itself."
        )
    return replace(condition, settings=settings)


def _run_each(
    conditions: Sequence[Condition],
    folder: Path,
    progress: Listener,
    how: ExecutionConfig | None,
    origin: Mapping[str, Any],
) -> Iterator[Result]:
    """One study after the other; where there are several, progress says which, and they share a budget."""
    begun = monotonic()
    for number, condition in enumerate(conditions, 1):
        title = f"{condition.title} ({number}/{len(conditions)})" if len(conditions) > 1 else condition.title

        def hear(heard: Any, name: str = condition.title, title: str = title) -> None:
            progress(heard._replace(doing=heard.doing.replace(name, title, 1)))

        if how is not None and how.budget is not None:
            left = (how.budget - (monotonic() - begun)) / (len(conditions) - number + 1)
            here = replace(how, budget=max(left, 1.0))
        else:
            here = how
        yield Study(condition.settings, folder, here, condition.title, origin, condition.point).run(hear)
