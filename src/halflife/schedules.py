"""Schedules of the weight decay, stepped beside torch's learning-rate schedulers."""

from .decays.schedule import (
    ConstantWD,
    CosineWD,
    LambdaWD,
    LinearWD,
    LogTimeWD,
    NormalizedWD,
    WeightDecaySchedule,
)
from .decays.tied import TiedWD

__all__ = [
    "ConstantWD",
    "CosineWD",
    "LambdaWD",
    "LinearWD",
    "LogTimeWD",
    "NormalizedWD",
    "TiedWD",
    "WeightDecaySchedule",
]
