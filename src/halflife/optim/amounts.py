"""λ said in another unit, a half-life for instance: what becomes a number when its group is added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from ..decays import Decay
from ..decays.schedule import WeightDecaySchedule
from ..regularizers import L2, OnSubset, Regularizer, TowardInit
from .groups import decay_of, number, regularizer_of


@runtime_checkable
class Amount(Protocol):
    """What may be given as ``weight_decay=`` in a number's place: λ for a treatment and a base learning rate."""

    def resolve(self, decay: Decay, lr: float) -> float: ...


def placeholder(weight_decay: Any) -> Any:
    """The number that the constructor of torch is shown: 0 where the groups' own are still to be found."""
    if isinstance(weight_decay, WeightDecaySchedule):
        return weight_decay.value
    return 0.0 if isinstance(weight_decay, Amount) else weight_decay


def resolved(amount: Amount, group: Mapping[str, Any]) -> float:
    """λ for this group, from its own treatment and learning rate.

    Raises ``ValueError`` for a regularizer that takes no share of the weights away.
    """
    settings = dict(group)
    regularizer = regularizer_of(settings)
    if not _shrinks(regularizer):
        raise ValueError(
            f"{amount!r} says what share of the weights a decay takes, and {regularizer!r} does not take a share; give "
            "weight_decay as a number, or leave regularizer=None, which is ½‖w‖²."
        )
    return amount.resolve(decay_of(settings), number(settings["lr"]))


def _shrinks(regularizer: Regularizer) -> bool:
    """Whether the decay multiplies the weights, or their distance to where they began, by a factor."""
    if isinstance(regularizer, OnSubset):
        return _shrinks(regularizer.of)
    return isinstance(regularizer, L2 | TowardInit)
