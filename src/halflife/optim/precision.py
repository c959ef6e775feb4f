"""What a group says of rounding and of its states' format, and a word where a decay is lost to rounding."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from ..engines import Memory, Work
from ..engines.formats import HALF
from ..engines.memory import Rounding
from ..regularizers import L2

FORMATS = ("rounding", "state_dtype")
"""Settings of the memory at hand: a checkpoint neither has them nor changes them."""

_PACKAGE = __name__.partition(".")[0]
_STATE_DTYPES = (None, torch.float32, torch.bfloat16, "8bit")


def memory_of(group: Mapping[str, Any]) -> Memory:
    """What the group's numbers are kept in."""
    return Memory(group.get("rounding", "nearest"), group.get("state_dtype"))


def check_formats(group: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` for a rounding or a state format that is not known, or not for these parameters."""
    memory = memory_of(group)
    if memory.rounding not in get_args(Rounding):
        words = ", ".join(map(repr, get_args(Rounding)))
        raise ValueError(f"rounding={memory.rounding!r} is not known; choose one of {words}.")
    if not any(memory.state_dtype is known or memory.state_dtype == known for known in _STATE_DTYPES):
        raise ValueError(
            f"state_dtype={memory.state_dtype!r} is not known; choose None (the parameter's own dtype), torch.float32, "
            "torch.bfloat16 or '8bit'."
        )
    if group.get("differentiable") and memory not in (Memory(), Memory(state_dtype=torch.float32)):
        raise ValueError(
            "differentiable=True goes with rounding='nearest' and state_dtype=None or torch.float32 alone: "
            "codes and dithers have no derivative."
        )
    if memory.state_dtype is not None and any(p.is_complex() for p in group["params"]):
        raise ValueError("state_dtype goes with real parameters alone; leave it None for a group of complex ones.")


class LostDecays:
    """Warns once for each parameter group whose decay alone, rounded to nearest, moves no weight."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Any, ...]] = {}
        self._warned: set[int] = set()

    def look(self, index: int, work: Work, params: Sequence[Tensor]) -> None:
        """Compare the group's numbers with those of the last step; where they changed, compare the factor with 1."""
        numbers = (work.lr, work.eta, work.lam)
        if work.memory.rounding != "nearest" or index in self._warned or any(isinstance(x, Tensor) for x in numbers):
            return
        if self._seen.get(index) != numbers:
            self._seen[index] = numbers
            lost = _lost(work, params)
            if lost:
                self._warned.add(index)
                warnings.warn(f"parameter group {index}: {lost}", UserWarning, stacklevel=_level_of_caller())


def _lost(work: Work, params: Sequence[Tensor]) -> str | None:
    """What is to be said, if the decay by 1 − τ or 1/(1 + τ) is nearer to 1 than half a unit of the weights' dtype."""
    decay, place = work.update.decay, work.update.placed(work.lam)
    if place.name in ("none", "before") or decay.needs_metric or not isinstance(work.update.regularizer, L2):
        return None
    τ = float(decay.scale(work.lr, work.eta, 1.0) * work.lam)
    factor = 1 / (1 + τ) if place.name == "implicit" else 1 - τ
    for dtype in {p.dtype for p in params if p.dtype in HALF}:
        if 0 < abs(τ) < torch.finfo(dtype).eps / 4:
            return (
                f"the decay multiplies the weights by {factor:.10g} a step, nearer to 1 than {dtype} can tell, so that "
                "rounded to nearest it alone never moves one; rounding='kahan' or 'stochastic' keeps it."
            )
    return None


def _level_of_caller() -> int:
    """How many frames up the line of code lies that asked for the step, outside this package and torch."""
    inside = tuple(f"{Path(module.__file__ or '').parent}{os.sep}" for module in (torch, sys.modules[_PACKAGE]))
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(inside):
        level, frame = level + 1, frame.f_back
    return level
