"""What may be said of a problem or a model beside its name: the keywords of its function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any

from ..errors import StudyError

OF_SETTINGS = ("batch_size", "epochs", "samples", "schedule", "loss_scale", "eps", "model")
"""What of a study's settings may vary along an axis; every other name is a keyword of its model or problem."""
NO_OPTION = ("name", "data_dir", "dtype")
"""Keywords of a problem's function that are no choice of its user."""


def keywords_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """The keywords that a problem's or a model's function can be given: those that have a value already."""
    return tuple(
        name
        for name, one in signature(function).parameters.items()
        if one.default is not Parameter.empty and name not in NO_OPTION
    )


def check_options(options: Mapping[str, Any], function: Callable[..., Any], whose: str) -> None:
    """Raises ``StudyError`` for a keyword that the function does not have."""
    known = keywords_of(function)
    if any(one.kind is Parameter.VAR_KEYWORD for one in signature(function).parameters.values()):
        return
    for name in options:
        if name not in known:
            own = f"{whose} has {', '.join(known)}" if known else f"{whose} has none"
            raise StudyError(
                f"{name!r} is no keyword of the model or the problem: {own}; of the settings, "
                f"{', '.join(OF_SETTINGS).replace('_', '-')} may vary."
            )
