"""What surrounds a step in training: the groups it is given, the numbers it is watched by, the backward it runs in."""

from __future__ import annotations

import warnings
from typing import Any

from .fusing import Fused, fuse_with_backward
from .grouping import ParamGroups, param_groups
from .measurement import Measurement
from .monitor import Monitor

__all__ = ["Fused", "Measurement", "Monitor", "ParamGroups", "fuse_with_backward", "param_groups"]


def __getattr__(name: str) -> Any:
    """``Reading``, the name that ``Measurement`` had."""
    if name != "Reading":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        "halflife.training.Reading is now called Measurement, and the old name goes with the next release; "
        "import Measurement instead.",
        DeprecationWarning,
        stacklevel=2,
    )
    return Measurement
