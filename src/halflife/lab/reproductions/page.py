"""A reproduction as a page: the claim, our setting, our figures, and whether it holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..config.settings import Settings
from ..result import Result
from .preset import Conclusion, Preset, Scale

VERDICTS = {True: "The claim holds here.", False: "The claim does not hold here.", None: "Undecided."}


class Drawn(NamedTuple):
    """A picture: what it shows, and its file."""

    title: str
    path: Path


def page(
    preset: Preset, scale: Scale, results: Sequence[Result], pictures: Sequence[Drawn], conclusion: Conclusion
) -> str:
    """In Markdown, with the pictures beside it."""
    seconds = sum(run.seconds for result in results for runs in result.runs.values() for run in runs if run)
    differs = preset.differs(scale)
    deviations = f"**How this differs from the source.** {_sentence(differs)}\n" if differs else ""
    parts = [
        f"# {preset.title}\n",
        f"**Claim.** {preset.claim}\n\n**Source.** {preset.source}.\n",
        f"**{VERDICTS[conclusion.holds]}** {conclusion.sentence}\n",
        "| | |\n|---|---|\n" + "\n".join(f"| {label} | {figure} |" for label, figure in conclusion.figures) + "\n",
        *(f"![{picture.title}]({picture.path.name})\n" for picture in pictures),
        f"**Setting.** {_setting(results)}\n",
        deviations,
        f"**Again.** `halflife study {preset.name} --scale {scale}`: {_networks(results)}, {_minutes(seconds)} of "
        f"one core here. {_costs(preset)}\n",
    ]
    return "\n".join(part for part in parts if part)


def _setting(results: Sequence[Result]) -> str:
    first = results[0]
    s = first.settings
    conditions = f" Studies: {'; '.join(result.title for result in results)}." if len(results) > 1 else ""
    schedules = {result.settings.schedule for result in results}
    schedule = f", {s.schedule} schedule" if len(schedules) == 1 else ""
    return (
        f"{_sentence(first.problem.description)} {_model(s)}, {s.epochs} epochs of batches of {s.batch_size}, "
        f"{s.seeds} seed{'s' * (s.seeds > 1)}{schedule}; lr {_grid(first.findings[0].lrs)}.{conditions}"
    )


def _model(settings: Settings) -> str:
    return f"Model {settings.model}" if settings.model else "The problem's own model"


def _grid(values: Sequence[float]) -> str:
    return ", ".join(f"{x:g}" for x in values)


def _networks(results: Sequence[Result]) -> str:
    return f"{sum(len(runs) for result in results for runs in result.runs.values())} networks"


def _minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minute{'s' * (minutes > 1)}"


def _costs(preset: Preset) -> str:
    return f"With `--scale paper --device cuda`: {preset.cost['paper']}."


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
