"""Which numbers a training gives: what keys and checkpoints know of the code that made them."""

from __future__ import annotations

from typing import Any

NUMERICS = 1
"""Raised when the same job gives other numbers than before: then, and only then, is anything trained anew for it."""


def numerics() -> dict[str, Any]:
    """What a key says of it; the first ones said it by the version that they were written by."""
    return {"version": "0.1.0"} if NUMERICS == 1 else {"numerics": NUMERICS}
