"""How a gradient becomes a direction: one paper, one file."""

from .adadelta import Adadelta
from .adafactor import Adafactor
from .adagrad import Adagrad
from .adam import Adam
from .adamax import Adamax
from .asgd import ASGD
from .lion import Lion
from .muon import Muon
from .nadam import NAdam
from .normalized import Normalized
from .radam import RAdam
from .rmsprop import RMSprop
from .rprop import Rprop
from .rule import Rule, Scalar, State, States, StateSpec, hyper_parameters, settings, words
from .sgd import SGD
from .sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "Adamax",
    "Lion",
    "Muon",
    "NAdam",
    "Normalized",
    "RAdam",
    "RMSprop",
    "Rprop",
    "Rule",
    "Scalar",
    "SparseAdam",
    "State",
    "StateSpec",
    "States",
    "hyper_parameters",
    "settings",
    "words",
]
