"""How much of a problem's grid is trained unless one says more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..reproductions import Scale
from .settings import Settings

SCALED: dict[Scale, dict[str, Any]] = {
    "smoke": {"optimizers": ("adamw-torch", "adamw-paper"), "lrs": (1e-3, 1e-2), "seeds": 1, "epochs": 1},
    "small": {},
    "medium": {"seeds": 8},
    "paper": {"seeds": 8, "epochs": 300, "curves": True},
}
"""Beside the defaults of ``Settings``, which are the small scale: two minutes for digits on two cores."""


def settings_of(problem: str, scale: Scale, given: Mapping[str, Any]) -> Settings:
    """The scale's settings, and over them what is given. Raises ``StudyError`` as ``Settings`` does."""
    return Settings(problem, **{**SCALED[scale], **given})
