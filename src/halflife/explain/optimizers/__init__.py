"""Every public optimizer, explained."""

from __future__ import annotations

from ..texts import OptimizerText
from .adam import Adam, AdamL2, AdamP, AdamW, ProxAdam
from .adaptive import Adadelta, Adagrad, RMSprop
from .after_adam import Adamax, Lion, NAdam, RAdam, Rprop, SparseAdam
from .sgd import ASGD, SGD, SGDW, ProxSGD
from .whole import LBFGS, Adafactor, Muon

_FAMILIES = (
    (SGD, SGDW, ProxSGD, ASGD),
    (Adagrad, Adadelta, RMSprop),
    (Adam, AdamL2, AdamW, ProxAdam, AdamP),
    (NAdam, RAdam, Adamax, SparseAdam),
    (Rprop, Lion),
    (Muon, Adafactor, LBFGS),
)

OPTIMIZERS: dict[str, OptimizerText] = {text.name: text for family in _FAMILIES for text in family}
"""By the class's name, in families."""
