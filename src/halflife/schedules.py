"""Schedules of the weight decay, stepped beside torch's learning-rate schedulers."""

from .decays.schedule import ConstantWD, CosineWD, LambdaWD, LinearWD, NormalizedWD, WeightDecaySchedule

__all__ = ["ConstantWD", "CosineWD", "LambdaWD", "LinearWD", "NormalizedWD", "WeightDecaySchedule"]
