"""What a reproduction is: a published claim, the studies that test it, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from ..analysis import Findings
from ..analysis.sentences import signed, span
from ..config.axis import AxisPoint
from ..config.settings import Settings
from ..config.user_code import OwnTraining
from ..errors import StudyError
from ..figures import Picture
from ..inference import NotIdentified
from ..result import Result
from ..training import Training
from ..units import error_text

Scale = Literal["smoke", "small", "medium", "paper"]
SCALES: tuple[Scale, ...] = get_args(Scale)
"""Does it run at all (seconds); does the claim show on two cores (minutes); nearer to the publication (an hour or more;
only some have it); the published setting (a GPU)."""


@dataclass(frozen=True)
class Condition:
    """One study of a reproduction: what sets it apart from the others, and its settings; ``point``, if that is where it
    lies on a third axis.
    """

    title: str
    settings: Settings
    point: AxisPoint | None = None


class Conclusion(NamedTuple):
    """Whether the claim holds (None: these runs cannot say), in a sentence, and the figures behind it by label."""

    holds: bool | None
    sentence: str
    figures: tuple[tuple[str, str], ...]


def no_more(results: list[Result], trainings: list[Training | OwnTraining]) -> Iterator[Picture]:
    """The pictures that every study has are enough."""
    return iter(())


@dataclass(frozen=True)
class Preset:
    """``conditions`` gives each scale's studies; ``conclude`` reads their results, in that order; ``draw`` adds
    pictures to those of ``figures_of``.

    ``claim`` and ``source`` are of the publication; ``deviations`` says how "small" differs from it, ``medium`` how
    that scale does where there is one; ``cost`` how long each scale takes: those that it names are the ones there are.
    """

    name: str
    title: str
    claim: str
    source: str
    deviations: str
    cost: Mapping[Scale, str]
    conditions: Callable[[Scale], list[Condition]]
    conclude: Callable[[list[Result]], Conclusion]
    draw: Callable[[list[Result], list[Training | OwnTraining]], Iterator[Picture]] = no_more
    medium: str = ""

    def differs(self, scale: str) -> str:
        """How what is run at this scale differs from the publication; empty where it does not, or proves nothing."""
        return {"small": self.deviations, "medium": self.medium}.get(scale, "")


def check_scale(preset: Preset, scale: Scale) -> None:
    """Raises ``StudyError`` if the reproduction has no such scale."""
    if scale not in preset.cost:
        raise StudyError(f"{preset.name} has no scale {scale!r}; choose among {', '.join(preset.cost)}.")


def scale_named(name: str) -> Scale:
    """Raises ``StudyError`` for one that there is not."""
    for scale in SCALES:
        if scale == name:
            return scale
    raise StudyError(f"scale {name!r} is not known; choose among {', '.join(SCALES)}.")


def percent(error: float) -> str:
    """An error that is a share of the samples."""
    return f"{100 * error:.1f} %"


def cell(found: Findings) -> str:
    """The best cell and its error."""
    return f"{error_text(found.val_error.mean, found.unit)} at lr {found.best_lr:g}, λ {found.best_lam:g}"


def coupling(found: Findings) -> str:
    """κ and its interval."""
    κ = found.kappa
    return "κ not identified" if isinstance(κ, NotIdentified) else f"κ {signed(κ.value)} ({span(κ.interval())})"
