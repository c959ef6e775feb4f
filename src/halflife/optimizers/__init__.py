"""The optimizers by name: torch's fifteen, and those that a class statement makes of them."""

from functools import cache

from .. import rules
from ..optim import Optimizer
from ..registry import RuleEntry
from .adam import Adam, Adamax, AdamL2, AdamP, AdamW, Lion, NAdam, ProxAdam, RAdam, SparseAdam
from .lbfgs import LBFGS
from .matrix import Adafactor, Muon
from .sgd import ASGD, SGD, SGDW, Adadelta, Adagrad, ProxSGD, RMSprop, Rprop

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
    "Lion",
    "Muon",
    "NAdam",
    "ProxAdam",
    "ProxSGD",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
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

    Args:
        entry: a rule's entry in ``halflife.registry``.

    Returns:
        A subclass of :class:`halflife.Optimizer`.

    Example:
        >>> from halflife.optimizers import optimizer_of
        >>> from halflife.registry import entry_named
        >>> optimizer_of(entry_named("lion")) is halflife.Lion
        True
    """
    ours = OPTIMIZERS.get(entry.name) if getattr(rules, entry.name, None) is entry.rule else None
    return ours or _made(entry.rule)


@cache
def _made(rule: type[rules.Rule]) -> type[Optimizer]:
    about = {"__doc__": rule.__doc__, "__module__": rule.__module__}
    return type(rule.__name__, (Optimizer,), about, rule=rule)  # pyright: ignore[reportCallIssue]
