"""The torch.optim face."""

from .adam_classes import Adam, Adamax, AdamL2, AdamP, AdamW, Lion, NAdam, ProxAdam, RAdam
from .classes import ASGD, SGD, SGDW, Adadelta, Adagrad, ProxSGD, RMSprop, Rprop
from .optimizer import Optimizer
from .signature import DecayName, Options, WeightDecay

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
    "DecayName",
    "Lion",
    "NAdam",
    "Optimizer",
    "Options",
    "ProxAdam",
    "ProxSGD",
    "RAdam",
    "RMSprop",
    "Rprop",
    "WeightDecay",
]
