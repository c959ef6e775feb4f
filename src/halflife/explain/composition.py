"""What a public optimizer is made of, in text and as the library composes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from ..decays import NAMED, Decay
from ..regularizers import L2
from ..rules import Rule
from ..update import Update, check
from .names import optimizer_class, rule_text
from .optimizers import OPTIMIZERS
from .texts import RuleText


@dataclass(frozen=True)
class Composition:
    """An optimizer's equations and its decay, None where it takes none.

    ``rule`` is None for one without a rule, whose decay is part of its loss.
    """

    text: RuleText
    decay: Decay | None
    rule: Rule | None

    @property
    def metric(self) -> str | None:
        """As the rule declares it; "identity" also where D is 1 in the text."""
        declared = None if self.rule is None else self.rule.metric
        return "identity" if declared and self.text.flat else declared

    def treatments(self) -> dict[str, Decay]:
        """The named decays that it takes with the ridge."""
        return {"coupled": NAMED["coupled"]} if self.rule is None else treatments(self.rule)


def composition(name: str, decay: str | None = None) -> Composition:
    """Of a public optimizer, by default or under another named treatment.

    Raises ``ValueError`` if the optimizer does not take that treatment, with those that it takes.
    """
    own = OPTIMIZERS[name].own
    if own is None:
        update = update_of(name, decay)
        takes = treatments(update.rule)
        made = Composition(rule_text(update.rule), update.decay if takes else None, update.rule)
    else:
        made = Composition(own, NAMED["coupled"], None)
    if decay is not None and decay not in made.treatments():
        why = "whose decay is part of the loss" if own else "which takes none: it takes sparse gradients alone"
        raise ValueError(f"decay {decay!r} is not for {name}, {why}.")
    return made


def update_of(name: str, decay: str | None = None) -> Update:
    """rule × decay × regularizer of a public optimizer, by default or under another treatment."""
    settings: dict[str, Any] = {"decay": decay} if decay else {}
    return update_in(optimizer_class(name)([torch.zeros(1, 1, requires_grad=True)], **settings))  # all take a matrix


def update_in(optimizer: Any) -> Update:
    """rule × decay × regularizer of an optimizer's first parameter group."""
    return optimizer.view(optimizer.param_groups[0]).update


def treatments(rule: Rule | type[Rule]) -> dict[str, Decay]:
    """The named decays that a rule takes with the ridge; none where it takes sparse gradients alone."""
    return {} if rule.sparse == "required" else {name: decay for name, decay in NAMED.items() if _legal(rule, decay)}


def _legal(rule: Rule | type[Rule], decay: Decay) -> bool:
    try:
        check(rule, decay, L2())
    except ValueError:
        return False
    return True
