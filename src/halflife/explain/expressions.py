"""How a trace's results are written: in letters, and in figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..engines.trace import Line, Operand
from .recording import Condition, Recording

SUM, PRODUCT, ATOM = 1, 2, 3
_RAISED = str.maketrans("0123456789ta", "⁰¹²³⁴⁵⁶⁷⁸⁹ᵗᵃ")
_SIGNS = {"lt": "<", "le": "≤", "gt": ">", "ge": "≥", "eq": "=", "ne": "≠"}
_BETWEEN = {
    "add": (" + ", SUM, SUM),
    "sub": (" − ", SUM, PRODUCT),
    "mul": ("·", PRODUCT, PRODUCT),
    "div": ("/", PRODUCT, ATOM),
}
"""The sign, how tightly it binds, and how tightly the right operand must."""
_CALLED = {"maximum": "max", "minimum": "min", "clamp": "clip", "acos": "arccos"}
_KNOWN = {math.pi: "π", 1 / 3: "⅓", 2 / 3: "⅔"}


@dataclass(frozen=True)
class Text:
    """An expression's text, and how tightly its outermost operation binds."""

    text: str
    binds: int = ATOM

    def inside(self, tightness: int) -> str:
        """The text, in brackets unless it binds at least as tightly."""
        return self.text if self.binds >= tightness else f"({self.text})"


def figure(x: float, digits: int = 6) -> str:
    """A number as one writes it: ``1e-8``, ``−0.5``."""
    mantissa, e, exponent = f"{x or 0.0:.{digits}g}".partition("e")
    return mantissa.replace("-", "−") + (f"e{int(exponent)}" if e else "")


class Writer:
    """Writes the results of a recording. ``names`` holds the letters of those that have one by now."""

    def __init__(self, recording: Recording, names: Mapping[Operand, str]) -> None:
        self.recording, self.names = recording, names
        self.used: set[Operand] = set()
        self.asked: list[Condition] = []
        self._atom: Callable[[Operand], Text | None] = self._letter

    def letters(self, x: Operand) -> str:
        """The result in letters, those of what it was made of. ``used`` and ``asked`` grow with it."""
        return self._of(x, self._letter)

    def figures(self, x: Operand) -> str:
        """The same in figures."""
        return self._of(x, self._figure)

    def condition(self, condition: Condition) -> str:
        """A condition in letters, and that it does not hold where it does not."""
        self._atom = self._letter
        x, y = (self._text(operand).text for operand in condition.operands)
        return f"{x} {_SIGNS[condition.op]} {y}" + ("" if condition.holds else " does not hold")

    def _of(self, x: Operand, atom: Callable[[Operand], Text | None]) -> str:
        self._atom = atom
        line = self._line(x)
        return (self._text(x) if line is None else self._operation(line)).text

    def _letter(self, x: Operand) -> Text | None:
        if x in self.names:
            self.used.add(x)
            return Text(self.names[x])
        known = _KNOWN.get(self.recording.results[x]) if x.kind == "coefficient" else None
        return Text(known) if known else None if x.kind == "line" else _number(self.recording.results[x])

    def _figure(self, x: Operand) -> Text | None:
        return None if x.kind == "line" and x not in self.names else _number(self.recording.results[x])

    def _text(self, x: Operand) -> Text:
        line = self._line(x)
        return self._atom(x) or (self._operation(line) if line is not None else Text("?"))

    def _line(self, x: Operand) -> Line | None:
        return self.recording.lines[x.place] if x.kind == "line" else None

    def _operation(self, line: Line) -> Text:
        op, operands = line
        if op in ("fill", "where"):
            return self._text(operands[0] if op == "fill" else self._branch(line))
        if op == "mul" and operands[0] == operands[1]:
            return _raised(self._text(operands[0]), Text("2"))
        if op == "fma":
            return self._moved(*operands)
        if op == "mul" and self._is_scalar(operands[1]) and not self._is_scalar(operands[0]):
            operands = operands[::-1]
        if op == "add" and self._is_zero(operands[0]):
            return self._text(operands[1])
        if op == "div" and self._is_one(operands[1]):
            return self._text(operands[0])
        return _joined(op, [self._text(x) for x in operands])

    def _branch(self, line: Line) -> Operand:
        """The branch that was taken, and why."""
        condition, then, otherwise = line.operands
        holds, asked = bool(self.recording.results[condition]), self._line(condition)
        if asked is not None and asked.op in _SIGNS:
            self.asked.append(Condition(asked.op, (asked.operands[0], asked.operands[1]), holds))
        return then if holds else otherwise

    def _moved(self, a: Operand, x: Operand, y: Operand) -> Text:
        """y + a·x, with a minus sign in front of a turned into a difference."""
        line = self._line(a)
        if line is not None and line.op == "neg" and a not in self.names:
            return _joined("sub", [self._text(y), _joined("mul", [self._text(line.operands[0]), self._text(x)])])
        if line is None and a not in self.names and self.recording.results[a] < 0:
            factor = -self.recording.results[a]
            product = self._text(x) if factor == 1 else _joined("mul", [_number(factor), self._text(x)])
            return _joined("sub", [self._text(y), product])
        return _joined("add", [self._text(y), _joined("mul", [self._text(a), self._text(x)])])

    def _is_scalar(self, x: Operand) -> bool:
        return x.kind in ("coefficient", "integer") or x in self.recording.scalars

    def _is_zero(self, x: Operand) -> bool:
        line = self._line(x)
        return line is not None and line.op == "fill" and self.recording.results[x] == 0

    def _is_one(self, x: Operand) -> bool:
        return x.kind in ("coefficient", "integer") and self.recording.results[x] == 1


def _number(x: float) -> Text:
    return Text(figure(x), SUM if x < 0 else ATOM)


def _joined(op: str, texts: list[Text]) -> Text:
    """An operation's text from its operands'."""
    x, y = texts[0], texts[-1]
    if op in _BETWEEN:
        sign, binds, right = _BETWEEN[op]
        return Text(f"{x.inside(binds)}{sign}{y.inside(right if y.text[0] != '−' else ATOM)}", binds)
    if op == "pow":
        return _raised(x, y)
    if op == "neg":
        return Text(f"−{x.inside(PRODUCT)}", SUM)
    around = {"sqrt": f"√{x.inside(ATOM)}", "abs": f"|{x.text}|"}
    return Text(around.get(op, f"{_CALLED.get(op, op)}({', '.join(text.text for text in texts)})"))


def _raised(base: Text, power: Text) -> Text:
    if power.text == "0.5":
        return Text(f"√{base.inside(ATOM)}")
    short = all(character in "0123456789ta" for character in power.text)
    raised = power.text.translate(_RAISED) if short else f"^{power.inside(ATOM)}"
    return Text(f"{base.inside(ATOM)}{raised}")
