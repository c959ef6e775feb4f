"""The terminal that commands print on."""

from __future__ import annotations

from typing import Any

from rich.console import Console

PLAIN: dict[str, Any] = {"highlight": False, "soft_wrap": True, "markup": False, "emoji": False}
"""What a user named, a folder [v2] say, is text and no markup."""


def console() -> Console:
    """As wide as the terminal; wide enough for the table where there is none."""
    here = Console()
    return here if here.is_terminal else Console(width=140, color_system=None)
