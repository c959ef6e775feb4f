"""Every optimizer there is, by the name that commands call it: the library's, and one for each registered rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from . import registry
from .optim import Optimizer
from .optimizers import OPTIMIZERS, optimizer_of

T = TypeVar("T")


def optimizers_by_name() -> dict[str, type[Optimizer]]:
    """As they are registered now. The library's own keeps its name where another distribution's rule has the same."""
    found = {command_name(name): optimizer for name, optimizer in OPTIMIZERS.items()}
    for entry in registry.entries():
        found.setdefault(command_name(entry.name), optimizer_of(entry))
    return found


def command_name(class_name: str) -> str:
    """ProxAdam is "prox-adam": a hyphen between a small letter and a capital. But AdamW is one word to everybody."""
    return "adamw" if class_name == "AdamW" else re.sub("(?<=[a-z])(?=[A-Z])", "-", class_name).lower()


class Catalogue(Mapping[str, T]):
    """What a command knows of every optimizer; rules may be registered at any time, so it looks whenever it is asked.

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
