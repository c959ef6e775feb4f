"""The torch.optim face."""

from .optimizer import Optimizer
from .signature import DecayName, Options, WeightDecay

__all__ = ["DecayName", "Optimizer", "Options", "WeightDecay"]
