"""The sheet of paper on which a step is worked out for one weight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .term import Term, term


@dataclass(frozen=True)
class Line:
    """``letter = letters = figures = value``, and a remark."""

    letter: str
    letters: str
    figures: str
    value: float
    remark: str = ""


@dataclass(frozen=True)
class Step:
    """What a rule found: the direction u, the metric D, how the weight moves, and what is done afterwards."""

    u: Term
    D: Term
    move: Callable[[Term], Term]
    finish: Callable[[Term], object] = lambda w: None


@dataclass
class Sheet:
    """One weight's steps on paper. ``group`` holds the settings as the optimizer has them, ``state`` what is kept."""

    group: Mapping[str, Any]
    state: dict[str, Term] = field(default_factory=dict[str, Term])
    lines: list[Line] = field(default_factory=list[Line])
    t: Term = field(default_factory=lambda: term(0.0, "t"))
    lr: Term = field(default_factory=lambda: term(0.0, "lr"))
    η: Term = field(default_factory=lambda: term(1.0, "η"))

    def turn(self, t: int, lr: float) -> None:
        """Begin step t on an empty page, at this learning rate; the first step's is the base learning rate."""
        base = lr if t == 1 else self.lr.value / self.η.value
        self.t, self.lr, self.η = term(float(t), "t"), term(lr, "lr"), term(lr / base, "η")
        self.lines = []

    @property
    def λ(self) -> Term:
        return term(float(self.group["weight_decay"]), "λ")

    def given(self, letter: str, name: str, index: int | None = None) -> Term:
        """A setting, under its letter."""
        value = self.group[name] if index is None else self.group[name][index]
        return term(float(value), letter)

    def old(self, letter: str, first: float = 0.0) -> Term:
        """What was kept under that letter, or where it starts."""
        return self.state.get(letter, term(first, f"{letter}₀"))

    def note(self, letter: str, x: Term, remark: str = "") -> Term:
        """Write a line; from here on the result goes by its letter."""
        self.lines.append(Line(letter, x.letters.text, x.figures.text, x.value, remark))
        return term(x.value, letter)

    def keep(self, letter: str, x: Term, remark: str = "") -> Term:
        """Write a line, and remember the result for the next step."""
        self.state[letter] = self.note(letter, x, remark)
        return self.state[letter]

    def straight(self, u: Term, D: Term) -> Step:
        """The usual move: w − lr·u."""
        return Step(u, D, lambda w: w - self.lr * u)
