"""What learns in a study: one architecture, one file."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from .mlp import mlp

MODELS: dict[str, Callable[[], nn.Module]] = {"mlp": lambda: mlp(64, 64, 64, 10)}
"""The architectures by name; called once for each seed, under that seed."""

__all__ = ["MODELS", "mlp"]
