"""The torch.optim face."""

from functools import cache

from .. import rules
from ..registry import RuleEntry
from .adam_classes import Adam, Adamax, AdamL2, AdamP, AdamW, Lion, NAdam, ProxAdam, RAdam, SparseAdam
from .classes import ASGD, SGD, SGDW, Adadelta, Adagrad, ProxSGD, RMSprop, Rprop
from .lbfgs import LBFGS
from .matrix_classes import Adafactor, Muon
from .optimizer import Optimizer
from .signature import DecayName, Options, WeightDecay

__all__ = [
    "ASGD",
    "LBFGS",
    "OPTIMIZERS",
    "SGD",
    "SGDW",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamL2",
    "AdamP",
    "AdamW",
    "Adamax",
    "DecayName",
    "Lion",
    "Muon",
    "NAdam",
    "Optimizer",
    "Options",
    "ProxAdam",
    "ProxSGD",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "WeightDecay",
    "optimizer_of",
]

OPTIMIZERS: dict[str, type[Optimizer]] = {
    name: x
    for name, x in list(globals().items())
    if isinstance(x, type) and issubclass(x, Optimizer) and x is not Optimizer
}
"""The library's optimizers by name: whatever is imported above."""


def optimizer_of(entry: RuleEntry) -> type[Optimizer]:
    """The optimizer of a registered rule: ours of that name, or one made for a rule that brings no class.

    What is made takes ``params``, ``lr`` and the rule's own fields as ``class X(Optimizer, rule=Rule)`` would; the same
    rule always has the same class.
    """
    ours = OPTIMIZERS.get(entry.name) if getattr(rules, entry.name, None) is entry.rule else None
    return ours or _made(entry.rule)


@cache
def _made(rule: type[rules.Rule]) -> type[Optimizer]:
    about = {"__doc__": rule.__doc__, "__module__": rule.__module__}
    return type(rule.__name__, (Optimizer,), about, rule=rule)  # pyright: ignore[reportCallIssue]
