"""halflife: PyTorch optimizers in which weight decay is done right.

An optimizer is rule × decay × regularizer: how a gradient becomes a direction, how λ enters, what is decayed.
"""

from . import conventions, regularizers, rules, schedules
from .conventions import HalfLife, Normalized, Timescale, describe
from .decays import Decay
from .optim import (
    ASGD,
    SGD,
    SGDW,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamL2,
    AdamP,
    AdamW,
    Lion,
    NAdam,
    Optimizer,
    ProxAdam,
    ProxSGD,
    RAdam,
    RMSprop,
    Rprop,
)
from .training import Monitor, fuse_with_backward, param_groups

__version__ = "0.1.0"

__all__ = [
    "ASGD",
    "SGD",
    "SGDW",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamL2",
    "AdamP",
    "AdamW",
    "Adamax",
    "Decay",
    "HalfLife",
    "Lion",
    "Monitor",
    "NAdam",
    "Normalized",
    "Optimizer",
    "ProxAdam",
    "ProxSGD",
    "RAdam",
    "RMSprop",
    "Rprop",
    "Timescale",
    "__version__",
    "conventions",
    "describe",
    "fuse_with_backward",
    "param_groups",
    "regularizers",
    "rules",
    "schedules",
]
