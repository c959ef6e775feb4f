"""The sheet of paper on which a step is worked out for one weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Step:
    """What a rule found: the direction u, the metric D, how the weight moves, and what is done afterwards."""

    u: float
    D: float
    move: Callable[[float], float]
    finish: Callable[[float], object] = lambda w: None


@dataclass
class Sheet:
    """One weight's steps on paper. ``group`` holds the settings as the optimizer has them, ``state`` what is kept."""

    group: Mapping[str, Any]
    state: dict[str, float] = field(default_factory=dict[str, float])
    noted: dict[str, float] = field(default_factory=dict[str, float])
    t: int = 0
    lr: float = 0.0
    η: float = 1.0

    def turn(self, t: int, lr: float) -> None:
        """Begin step t on an empty page, at this learning rate; the first step's is the base learning rate."""
        base = lr if t == 1 else self.lr / self.η
        self.t, self.lr, self.η = t, lr, lr / base
        self.noted = {}

    @property
    def λ(self) -> float:
        return float(self.group["weight_decay"])

    def given(self, name: str, index: int | None = None) -> float:
        """A setting."""
        return float(self.group[name] if index is None else self.group[name][index])

    def old(self, letter: str, first: float = 0.0) -> float:
        """What was kept under that letter, or where it starts."""
        return self.state.get(letter, first)

    def note(self, letter: str, x: float) -> float:
        """Write a line."""
        self.noted[letter] = x
        return x

    def keep(self, letter: str, x: float) -> float:
        """Write a line, and remember the result for the next step."""
        self.state[letter] = self.note(letter, x)
        return x

    def straight(self, u: float, D: float) -> Step:
        """The usual move: w − lr·u."""
        return Step(u, D, lambda w: w - self.lr * u)
