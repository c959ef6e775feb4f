"""Where a warning belongs: at the user's line, however deep in the library or in torch it is found out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch


def level_of_caller() -> int:
    """``stacklevel`` of the nearest line of code outside of this package and torch."""
    package = sys.modules[__name__.partition(".")[0]]
    inside = tuple(f"{Path(module.__file__ or '').parent}{os.sep}" for module in (torch, package))
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(inside):
        level, frame = level + 1, frame.f_back
    return level
