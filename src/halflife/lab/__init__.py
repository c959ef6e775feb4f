"""Studies of how learning rate and weight decay are coupled: ``run_study(Settings(), Path("study"))``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .coupling import Coupling, NotIdentified, coupling
from .errors import StudyError
from .figures import colour_scale, draw, heatmap_info, save
from .findings import Findings
from .optimizers import CONTENDERS, REFERENCE, Contender
from .settings import Settings
from .study import Progress, Result, Study

__all__ = [
    "CONTENDERS",
    "REFERENCE",
    "Contender",
    "Coupling",
    "Findings",
    "NotIdentified",
    "Progress",
    "Report",
    "Result",
    "Settings",
    "Study",
    "StudyError",
    "coupling",
    "draw_result",
    "run_study",
]


class Report(NamedTuple):
    """A study's result and the picture of it."""

    result: Result
    picture: Path


def run_study(settings: Settings, folder: Path, progress: Callable[[Progress], None] = lambda report: None) -> Report:
    """Run a study, with its ledger ``study.db`` and its picture ``heatmap.png`` in ``folder``.

    Raises ``StudyError`` if the settings cannot be met or the folder cannot be written.
    """
    result = Study(settings, folder).run(progress)
    return Report(result, draw_result(result, folder / "heatmap.png"))


def draw_result(result: Result, path: Path) -> Path:
    """The heatmaps of all optimizers side by side, as a PNG."""
    settings = result.settings
    recipe = f"{settings.seeds} seeds, {settings.epochs} epochs of batches of {settings.batch_size}, cosine schedule"
    scale = colour_scale(result.findings, result.reference)
    save(draw([heatmap_info(found) for found in result.findings], scale, f"{result.problem}. {recipe}."), path)
    return path
