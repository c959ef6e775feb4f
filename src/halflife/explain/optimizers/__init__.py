"""Every public optimizer, explained."""

from __future__ import annotations

from ..texts import OptimizerText
from .adam import Adam, AdamL2, AdamP, AdamW, ProxAdam
from .adaptive import Adadelta, Adagrad, RMSprop
from .after_adam import Adamax, Lion, NAdam, RAdam, Rprop
from .sgd import ASGD, SGD, SGDW, ProxSGD

_FAMILIES = (
    (SGD, SGDW, ProxSGD, ASGD),
    (Adagrad, Adadelta, RMSprop),
    (Adam, AdamL2, AdamW, ProxAdam, AdamP),
    (NAdam, RAdam, Adamax),
    (Rprop, Lion),
)

OPTIMIZERS: dict[str, OptimizerText] = {text.name: text for family in _FAMILIES for text in family}
"""By the class's name, in families."""
