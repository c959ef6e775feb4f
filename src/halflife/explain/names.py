"""From what was typed to what is meant."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import Any

import torch

from .. import optimizers, registry
from ..registry import RuleEntry
from ..rules import Rule
from .decays import DECAYS
from .expressions import figure
from .optimizers import OPTIMIZERS
from .regularizers import REGULARIZERS
from .rules import RULES
from .texts import DecayText, OptimizerText, RegularizerText, RuleText
from .topics import TOPICS, Topic

Text = OptimizerText | DecayText | RegularizerText | RuleEntry | Topic

ALSO = {"ridge": "L2", "lasso": "L1", "l2sp": "TowardInit", "amsgrad": "Adam", "nesterov": "SGD", "momentum": "SGD"}
"""Other names for the same."""


class UnknownNameError(ValueError):
    """Nothing goes by that name; the message says what does."""


def find(name: str) -> Text:
    """The optimizer, decay, regularizer or topic of that name, in any case, with or without hyphens and underscores.

    Of a registered rule that has no text here it is the entry.

    Raises ``UnknownNameError`` with near misses for any other.
    """
    rules = {entry.name: entry for entry in registered()}
    everything: dict[str, Text] = {**rules, **OPTIMIZERS, **DECAYS, **REGULARIZERS, **TOPICS}
    by_key = {_key(known): known for known in everything} | ALSO
    key = _key(name)
    if key in by_key:
        return everything[by_key[key]]
    near = dict.fromkeys(by_key[match] for match in get_close_matches(key, by_key, n=3, cutoff=0.6))
    hint = f"did you mean {_either(list(near))}? " if near else ""
    raise UnknownNameError(
        f"no optimizer, decay, regularizer or topic is called {name!r}; {hint}`halflife explain` lists all, "
        f"the topics ({', '.join(TOPICS)}) too."
    )


def registered() -> list[RuleEntry]:
    """The rules of which nothing is said here, such as those of other distributions."""
    return [entry for entry in registry.entries() if entry.name not in RULES]


def optimizer_class(name: str) -> type[torch.optim.Optimizer]:
    """The public optimizer of that name."""
    return getattr(optimizers, name)


def rule_text(rule: Rule) -> RuleText:
    """What is said of a rule."""
    return RULES[type(rule).__name__]


def default(optimizer: str, setting: str) -> str:
    """An argument's default, as one writes it."""
    value: Any = inspect.signature(optimizer_class(optimizer)).parameters[setting].default
    return figure(value) if isinstance(value, float) else str(value)


def _key(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _either(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
