"""All conventions by name."""

from __future__ import annotations

from difflib import get_close_matches

from . import frameworks
from .convention import Convention

CONVENTIONS: dict[str, Convention] = {c.name: c for c in frameworks.ALL}
"""Every convention under its name, in the order of the table."""

ALIASES: dict[str, str] = {alias: c.name for c in frameworks.ALL for alias in c.aliases}


def find(name: str | Convention) -> Convention:
    """The convention of that name or alias, in any case. Raises ``ValueError`` that names those near it."""
    if isinstance(name, Convention):
        return name
    key = name.strip().lower().replace("_", "-").replace(" ", "-")
    key = ALIASES.get(key, key)
    if key not in CONVENTIONS:
        near = get_close_matches(key, [*CONVENTIONS, *ALIASES], n=3)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ValueError(f"framework {name!r} is not known; {hint}choose one of {', '.join(CONVENTIONS)}.")
    return CONVENTIONS[key]
