"""All conventions by name."""

from __future__ import annotations

from difflib import get_close_matches

from . import frameworks
from .convention import Convention

CONVENTIONS: dict[str, Convention] = {c.name: c for c in frameworks.ALL}
"""Every convention under its name, in the order of the table."""

ALIASES: dict[str, str] = {alias: c.name for c in frameworks.ALL for alias in c.aliases}
"""Other names, each with the convention that it stands for."""


def find(name: str | Convention) -> Convention:
    """The convention of that name or alias.

    Args:
        name: in any case, with hyphens, underscores or spaces; a ``Convention`` is returned as it is.

    Returns:
        The convention.

    Raises:
        ValueError: naming those near it.

    Example:
        >>> from halflife.conventions import find
        >>> print(find("keras").update)
        w ← (1 − lr·λ)w, then w ← w − lr·m̂/(√v̂ + ε/√(1−β₂ᵗ))
        >>> find("Timm_NAdamW").title
        'timm.optim.NAdamW'
    """
    if isinstance(name, Convention):
        return name
    key = name.strip().lower().replace("_", "-").replace(" ", "-")
    key = ALIASES.get(key, key)
    if key not in CONVENTIONS:
        near = get_close_matches(key, [*CONVENTIONS, *ALIASES], n=3)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ValueError(f"framework {name!r} is not known; {hint}choose one of {', '.join(CONVENTIONS)}.")
    return CONVENTIONS[key]
