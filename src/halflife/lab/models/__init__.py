"""What learns in a study: one architecture, one file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from .fitting import RESNETS, SHAKES, SMALL_RESNETS, fit_mlp, fit_shake_shake, fit_transformer
from .mlp import flat_mlp, mlp
from .resnet import resnet
from .shake_shake import shake_shake
from .transformer import transformer

if TYPE_CHECKING:
    from ..problems import Problem


def _mlp(problem: Problem) -> nn.Module:
    return fit_mlp(problem, 64, 64)


MODELS: dict[str, Callable[[Problem], nn.Module]] = {
    "mlp": _mlp,
    **RESNETS,
    **SMALL_RESNETS,
    **SHAKES,
    "shake-shake-14-2x8d": partial(fit_shake_shake, width=8, depth=14),
    "transformer": partial(fit_transformer, width=128, depth=4),
    "transformer-small": partial(fit_transformer, width=64, depth=2),
}
"""The architectures by name, fitted to a problem; called once for each seed, under that seed."""

__all__ = ["MODELS", "flat_mlp", "mlp", "resnet", "shake_shake", "transformer"]
