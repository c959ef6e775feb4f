"""halflife: PyTorch optimizers in which weight decay is done right.

An optimizer is rule × decay × regularizer: how a gradient becomes a direction, how λ enters, what is decayed.
"""

from . import regularizers, rules, schedules
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
    "Lion",
    "NAdam",
    "Optimizer",
    "ProxAdam",
    "ProxSGD",
    "RAdam",
    "RMSprop",
    "Rprop",
    "__version__",
    "regularizers",
    "rules",
    "schedules",
]
