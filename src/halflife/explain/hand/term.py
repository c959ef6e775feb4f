"""A number that knows how it was written: in letters, and in figures."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

SUM, PRODUCT, ATOM = 1, 2, 3
_RAISED = str.maketrans("0123456789ta", "⁰¹²³⁴⁵⁶⁷⁸⁹ᵗᵃ")


@dataclass(frozen=True)
class Text:
    """An expression's text, and how tightly its outermost operation binds."""

    text: str
    binds: int = ATOM

    def inside(self, tightness: int) -> str:
        """The text, in brackets unless it binds at least as tightly."""
        return self.text if self.binds >= tightness else f"({self.text})"


@dataclass(frozen=True)
class Term:
    """A float with its two texts. Arithmetic is Python's own on floats; the texts grow with it, so that what is shown
    is what was computed.
    """

    value: float
    letters: Text
    figures: Text

    def __add__(self, other: Term | float) -> Term:
        return _joined(self, " + ", term(other), SUM, self.value + term(other).value)

    def __radd__(self, other: float) -> Term:
        return term(other) + self

    def __sub__(self, other: Term | float) -> Term:
        return _joined(self, " − ", term(other), SUM, self.value - term(other).value)

    def __rsub__(self, other: float) -> Term:
        return term(other) - self

    def __mul__(self, other: Term | float) -> Term:
        return _joined(self, "·", term(other), PRODUCT, self.value * term(other).value)

    def __rmul__(self, other: float) -> Term:
        return term(other) * self

    def __truediv__(self, other: Term | float) -> Term:
        return _joined(self, "/", term(other), PRODUCT, self.value / term(other).value)

    def __rtruediv__(self, other: float) -> Term:
        return term(other) / self

    def __pow__(self, other: Term | float) -> Term:
        power = term(other)
        value = self.value * self.value if power.value == 2 else self.value**power.value
        return Term(value, _raised(self.letters, power.letters), _raised(self.figures, power.figures))

    def __rpow__(self, other: float) -> Term:
        return term(other) ** self


def term(x: Term | float, letter: str = "") -> Term:
    """A number by itself, or under a letter."""
    if isinstance(x, Term):
        return x
    figures = Text(figure(x), SUM if x < 0 else ATOM)
    return Term(x, Text(letter) if letter else figures, figures)


def figure(x: float, digits: int = 6) -> str:
    """A number as one writes it: ``1e-8``, ``−0.5``."""
    mantissa, e, exponent = f"{x or 0.0:.{digits}g}".partition("e")
    return mantissa.replace("-", "−") + (f"e{int(exponent)}" if e else "")


def sqrt(x: Term) -> Term:
    """√x."""
    texts = (Text(f"√{text.inside(ATOM)}") for text in (x.letters, x.figures))
    return Term(math.sqrt(x.value), *texts)


def sign(x: Term) -> Term:
    """−1, 0 or 1."""
    return _called("sign", float((x.value > 0) - (x.value < 0)), x)


def larger(x: Term, y: Term) -> Term:
    """The larger of two."""
    return _called("max", max(x.value, y.value), x, y)


def clip(x: Term, low: Term, high: Term) -> Term:
    """x within two bounds."""
    return _called("clip", min(max(x.value, low.value), high.value), x, low, high)


def magnitude(x: Term) -> Term:
    """|x|."""
    return Term(abs(x.value), Text(f"|{x.letters.text}|"), Text(f"|{x.figures.text}|"))


def single(x: Term) -> Term:
    """x rounded to float32."""
    return _called("float32", struct.unpack("f", struct.pack("f", x.value))[0], x)


def _called(name: str, value: float, *arguments: Term) -> Term:
    letters = ", ".join(x.letters.text for x in arguments)
    figures = ", ".join(x.figures.text for x in arguments)
    return Term(value, Text(f"{name}({letters})"), Text(f"{name}({figures})"))


def _joined(a: Term, sign: str, b: Term, binds: int, value: float) -> Term:
    right = binds if sign in (" + ", "·") else binds + 1

    def text(x: Text, y: Text) -> Text:
        left = x.text if binds == SUM else x.inside(binds)
        return Text(f"{left}{sign}{y.inside(right if y.text[0] != '−' else ATOM)}", binds)

    return Term(value, text(a.letters, b.letters), text(a.figures, b.figures))


def _raised(base: Text, power: Text) -> Text:
    short = all(character in "0123456789ta" for character in power.text)
    raised = power.text.translate(_RAISED) if short else f"^{power.inside(ATOM)}"
    return Text(f"{base.inside(ATOM)}{raised}")
