"""A recording with letters: what is given goes by them, and what comes of it is written as a derivation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from torch import Tensor

from ..engines.trace import Operand, Value
from .derivation import Derivation, Result, WorkedLine
from .letters import letter
from .recording import Binding, Number, Recording, named

Settings = TypeVar("Settings")
Returned = TypeVar("Returned")


class Notes:
    """One derivation while it is being recorded. ``rule`` is the name of the rule whose letters are used."""

    def __init__(self, rule: str = "") -> None:
        self.rule = rule
        self.recording, self.bindings = Recording(), list[Binding]()
        self._names, self._given = dict[Operand, str](), set[Operand]()

    def letter(self, name: str) -> str:
        """The letter of a state or a setting."""
        return letter(name, self.rule)

    def input(self, name: str, x: float, known: bool = True) -> Value:
        """A number under its letter; unless ``known``, the running text may give it another name."""
        value = self.recording.input(name, x)
        self._names[value.operand] = name
        if known:
            self._given.add(value.operand)
        return value

    def number(self, name: str, x: float) -> Number:
        """A number on which Python may branch, under its letter."""
        return self.recording.number(self.input(name, float(x)))

    def lettered(self, settings: Settings) -> Settings:
        """A rule or a regularizer whose real hyper-parameters are recorded under their letters."""
        if not is_dataclass(settings) or isinstance(settings, type):
            return settings
        given = {f.name: getattr(settings, f.name) for f in fields(settings) if f.init and f.type not in (int, "int")}
        numbers = {name: self.number(self.letter(name), float(x)) for name, x in given.items() if _is_number(x)}
        return replace(settings, **numbers)

    def run(self, f: Callable[[], Returned]) -> Returned:
        """Call f, and note the names that it gives."""
        with named(self.recording, self.bindings):
            return f()

    def lines(self, results: Mapping[str, Result], kept: frozenset[str]) -> tuple[WorkedLine, ...]:
        """The lines up to the results, each under its letter. ``kept`` holds other letters to be shown in any case."""
        derivation = Derivation(self.recording, self._names, kept | set(results), frozenset(self._given))
        derivation.add(self.bindings)
        for name, x in results.items():
            derivation.state(name, x)
        return derivation.lines()


def _is_number(x: Any) -> bool:
    return (isinstance(x, int | float) and not isinstance(x, bool)) or (isinstance(x, Tensor) and x.numel() == 1)
