"""A third axis beside lr and λ: the same study for several batch sizes, numbers of epochs or samples, widths, …"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple, TypeAlias

from ..errors import StudyError
from .keywords import OF_SETTINGS
from .settings import Settings

Value: TypeAlias = float | int | str

FORM = "batch-size=25,50,100"


class AxisPoint(NamedTuple):
    """Where a study lies on its axis.

    Args:
        name: ``batch-size``, for instance.
        value: 25, for instance.

    Example:
        >>> from halflife.lab import AxisPoint
        >>> str(AxisPoint("batch-size", 25))
        'batch-size 25'
    """

    name: str
    value: Value

    def __str__(self) -> str:
        return f"{self.name} {self.value:g}" if self.is_number else f"{self.name} {self.value}"

    @property
    def is_number(self) -> bool:
        """Whether there may be an exponent along such values."""
        return not isinstance(self.value, str) and self.value > 0


@dataclass(frozen=True)
class Axis:
    """A third axis of a study, beside lr and λ.

    Args:
        name: a setting of the study, or a keyword of the model or the problem.
        values: two at least.

    Raises:
        StudyError: for fewer than two values, or one that is given twice.

    Example:
        >>> from halflife.lab import Axis, Settings
        >>> axis = Axis.read("batch-size=25,50,100")
        >>> axis == Axis("batch-size", (25, 50, 100))
        True
        >>> [settings.batch_size for point, settings in axis.settings(Settings("ridge"))]
        [25, 50, 100]
    """

    name: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name.replace("_", "-"))
        numbers = [value for value in self.values if not isinstance(value, str)]
        if len(numbers) == len(self.values):
            object.__setattr__(self, "values", tuple(sorted(numbers)))
        if len(self.values) < 2 or len({*self.values}) < len(self.values):
            given = ", ".join(map(str, self.values)) or "none"
            raise StudyError(f"an axis takes two values or more, all different, as in {FORM}; given: {given}.")

    @classmethod
    def read(cls, text: str) -> Axis:
        """As the command line has it.

        Args:
            text: ``name=value,value,…``. ``StudyError`` for anything else.

        Returns:
            The axis.
        """
        name, equals, values = text.partition("=")
        if not (name.strip() and equals and values.strip(" ,")):
            raise StudyError(f"--axis takes a name and values, as in {FORM}, but got {text!r}.")
        return cls(name.strip(), tuple(value_of(part.strip()) for part in values.split(",") if part.strip()))

    def points(self) -> list[AxisPoint]:
        """In increasing order, words as they were given."""
        return [AxisPoint(self.name, value) for value in self.values]

    def settings(self, settings: Settings) -> list[tuple[AxisPoint, Settings]]:
        """The study at each point.

        Args:
            settings: what is the same at all.

        Returns:
            The points, each with its settings.

        Raises:
            StudyError: where it cannot be one of that kind.
        """
        return [(point, at(settings, point)) for point in self.points()]


def value_of(text: str) -> Value:
    """A whole number, a number, or a word."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def at(settings: Settings, point: AxisPoint) -> Settings:
    """The settings with this one changed."""
    name = point.name.replace("-", "_")
    if name in OF_SETTINGS:
        kind = {one.name: str(one.type) for one in fields(Settings)}[name]
        wrong = isinstance(point.value, str) != ("str" in kind)
        if wrong or ("int" in kind and not isinstance(point.value, int)):
            wanted = "whole numbers" if "int" in kind else "names" if "str" in kind else "numbers"
            raise StudyError(f"{point.name} takes {wanted} along an axis, but {point.value!r} was given.")
        return replace(settings, **{name: point.value})
    if name in {one.name for one in fields(Settings)} or name in ("lr", "lam", "lambda", "weight_decay"):
        raise StudyError(
            f"{point.name} is no third axis: lr and λ have theirs (--lrs, --lambdas), and seeds repeat; choose among "
            f"{', '.join(OF_SETTINGS).replace('_', '-')}, or a keyword of the model or the problem."
        )
    return replace(settings, options={**settings.options, name: point.value})
