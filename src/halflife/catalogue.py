"""The optimizers that commands time and study, by name: the library's, and one for each registered rule.

Both give dense gradients and ask for one step, so what wants something else is left out, and ``why_not`` says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

import torch

from . import optimizers, registry
from .optim import Optimizer
from .optim.groups import on_purpose
from .optimizers import OPTIMIZERS, optimizer_of
from .rules import Rule

T = TypeVar("T")


def optimizers_by_name() -> dict[str, type[Optimizer]]:
    """As they are registered now. The library's own keeps its name where another distribution's rule has the same."""
    return {name: optimizer for name, optimizer in _by_name().items() if rule_of(optimizer).sparse != "required"}


def why_not(name: str) -> str:
    """Why an optimizer of that name is not among them; empty for another name."""
    optimizer = _by_name().get(name)
    if optimizer is not None and rule_of(optimizer).sparse == "required":
        return f"{optimizer.__name__} takes sparse gradients alone, and these are dense: take Adam"
    others = (getattr(optimizers, other) for other in optimizers.__all__ if command_name(other) == name)
    if any(isinstance(x, type) and issubclass(x, torch.optim.Optimizer) for x in others) and optimizer is None:
        return (
            f"{name} asks for the loss several times a step, and here a step is given one gradient: take AdamW or SGD"
        )
    return ""


def rule_of(optimizer: type[Optimizer], **settings: Any) -> Rule:
    """The rule of a class under these settings."""
    return _rule_by_default(optimizer) if not settings else _rule(optimizer, settings)


@cache
def _rule_by_default(optimizer: type[Optimizer]) -> Rule:
    return _rule(optimizer, {})


def _rule(optimizer: type[Optimizer], settings: dict[str, Any]) -> Rule:
    with on_purpose():
        made = optimizer([torch.zeros(1, 1)], **{"lr": 1.0, **settings})  # all rules take a matrix
    return made.view(made.param_groups[0]).rule


def rule_of_matrices(rule: Rule) -> str:
    """The registered name of a rule that takes no vector, for a group; empty for any other."""
    try:
        rule.check(torch.zeros(1))
    except (ValueError, RuntimeError):
        with suppress(KeyError):
            return registry.entry_named(type(rule).__name__).name
    return ""


def _by_name() -> dict[str, type[Optimizer]]:
    found = {command_name(name): optimizer for name, optimizer in OPTIMIZERS.items()}
    for entry in registry.entries():
        found.setdefault(command_name(entry.name), optimizer_of(entry))
    return found


def command_name(class_name: str) -> str:
    """ProxAdam is "prox-adam": a hyphen between a small letter and a capital. But AdamW is one word to everybody."""
    return "adamw" if class_name == "AdamW" else re.sub("(?<=[a-z])(?=[A-Z])", "-", class_name).lower()


class Catalogue(Mapping[str, T]):
    """What a command knows of each of these optimizers; it looks whenever it is asked, for rules may come at any time.

    ``special`` says it for those of which more is known than their class, and adds variants under names of their own;
    ``plain`` says it for the others, from name and class. The special ones come first.
    """

    def __init__(self, special: Mapping[str, T], plain: Callable[[str, type[Optimizer]], T]) -> None:
        self.special, self._plain = dict(special), plain

    def __getitem__(self, name: str) -> T:
        return self.special[name] if name in self.special else self._plain(name, optimizers_by_name()[name])

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self.special, *optimizers_by_name())))

    def __len__(self) -> int:
        return len(self.special.keys() | optimizers_by_name().keys())
