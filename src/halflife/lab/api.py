"""From settings, or a reproduction's name, to results and pictures in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from .config.scales import settings_of
from .config.settings import Settings
from .config.task import training_of
from .errors import StudyError
from .execution.config import ExecutionConfig
from .figures import Picture, figures_of, save
from .notebook import usual_listener
from .progress import Listener
from .refinement import ROUNDS, beyond_edges, more_seeds
from .reproductions import PRESETS, Conclusion, Condition, Preset, Scale
from .reproductions.page import Drawn, page
from .result import Result
from .study import Study


class Outcome(NamedTuple):
    """The results, one for each study of a reproduction, their pictures' files, and what the reproduction comes to."""

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
) -> Outcome:
    """Run a study, with its ledger ``study.db``, ``heatmap.png`` and what else can be drawn of it in ``folder``.

    With ``refine`` cells are added where a best one lies at the grid's edge, and then, in a second result, seeds for
    those between whom they decide.
    ``progress`` hears how far it is; without it a notebook shows a bar, and scripts print nothing.
    ``command`` is what to say to have it again, for the report. Raises ``StudyError`` if the settings cannot be met or
    the folder cannot be written.
    """
    folder = Path(folder)
    progress = progress or usual_listener()
    results = [Study(settings, folder, how, origin={"command": command}).run(progress)]
    if refine:
        results = list(_refined(results[0], folder, progress, how, command))
    return Outcome(results, [_drawn(picture, folder).path for picture in figures_of(results)])


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
) -> Outcome:
    """Run the studies of a reproduction, all in one ledger, and say in ``reproduction.md`` whether its claim holds.

    ``given`` replaces settings of each study. Raises ``StudyError`` as ``run_study`` does, and if an optimizer is left
    out that the claim speaks of.
    """
    progress = progress or usual_listener()
    chosen = PRESETS[preset] if isinstance(preset, str) else preset
    conditions = [_changed(chosen, condition, given or {}) for condition in chosen.conditions(scale)]
    origin = {"command": command, "preset": chosen.name, "scale": scale}
    results = [_run(condition, folder, progress, how, origin, conditions) for condition in conditions]
    pictures = [
        _drawn(picture, folder)
        for picture in chain(figures_of(results), _more(chosen, results, how or ExecutionConfig()))
    ]
    conclusion = chosen.conclude(results)
    if scale == "smoke":
        conclusion = conclusion._replace(holds=None)  # it shows that all runs, and nothing more
    (folder / "reproduction.md").write_text(page(chosen, scale, results, pictures, conclusion), encoding="utf-8")
    return Outcome(results, [picture.path for picture in pictures], conclusion)


def settings_named(target: str, scale: Scale, given: Mapping[str, Any]) -> dict[str, Settings]:
    """By the studies' titles, empty for a single one: what a reproduction, a problem or a file of one's own tries."""
    if target not in PRESETS:
        return {"": settings_of(target, scale, given)}
    return {one.title: replace(one.settings, **given) for one in PRESETS[target].conditions(scale)}


def _more(preset: Preset, results: list[Result], how: ExecutionConfig) -> Iterator[Picture]:
    """A reproduction's own pictures, if the driver has the device: on Ray the workers may have it alone."""
    if how.lacks_device:
        return iter(())
    return preset.draw(results, [training_of(result.settings, how) for result in results])


def _drawn(picture: Picture, folder: Path) -> Drawn:
    path = folder / f"{picture.name}.png"
    save(picture.figure, path)
    return Drawn(picture.title, path)


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


def _run(
    condition: Condition,
    folder: Path,
    progress: Listener,
    how: ExecutionConfig | None,
    origin: dict[str, Any],
    conditions: Sequence[Condition],
) -> Result:
    """One study; where there are several, progress says which."""
    title = (
        f"{condition.title} ({conditions.index(condition) + 1}/{len(conditions)})"
        if len(conditions) > 1
        else condition.title
    )

    def hear(heard: Any) -> None:
        progress(heard._replace(doing=heard.doing.replace(condition.title, title, 1)))

    return Study(condition.settings, folder, how, condition.title, origin).run(hear)
