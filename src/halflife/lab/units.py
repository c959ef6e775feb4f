"""Errors as people read them, in the problem's own unit: shares in percent, anything else in three digits.

A squared error is no share, whatever its size; what is 10⁻⁶ large is written so, and not as 0.000.
"""

from __future__ import annotations

from math import floor, isfinite, isnan, log10, nan

MISCLASSIFIED = "misclassified"
"""The unit of errors that are shares of the samples."""
ERROR = "error"
"""That of errors of which nothing is known but their number."""

MINUS = "−"
DIGITS = 3
FINEST, COARSEST = -3, 5
"""Powers of ten, below and from which on a number is written with its own."""


def is_share(unit: str) -> bool:
    """Whether errors are read in percent, and their differences in points."""
    return unit == MISCLASSIFIED


def difference_unit(unit: str) -> str:
    """What a difference of errors is measured in."""
    return "points" if is_share(unit) else unit


def error_text(mean: float, unit: str, spread: float = nan, digits: int | None = None) -> str:
    """An error and its spread, if it has one: 12.3 ± 0.4 %, 0.844 ± 0.012, (1.230 ± 0.040)e−6; a dash for none."""
    if not isfinite(mean):
        return "–"
    if is_share(unit):
        places = 1 if digits is None else digits
        more = "" if isnan(spread) else f" ± {100 * spread:.{places}f}"
        return f"{100 * mean:.{places}f}{more} %".replace("-", MINUS)
    if isnan(spread):
        return number_text(mean)
    power = _power(mean)
    scale = power if not FINEST <= power < COARSEST else 0
    finer = min(1 - _power(spread), DIGITS + 2 - power) if spread > 0 else 0
    places = max(DIGITS - 1 - power + scale, finer + scale, 0)
    words = f"{mean / 10.0**scale:.{places}f} ± {spread / 10.0**scale:.{places}f}".replace("-", MINUS)
    return f"({words})e{scale}".replace("-", MINUS) if scale else words


def difference_text(value: float, unit: str) -> str:
    """A difference of errors with its sign: in points, two digits after the point, where they are shares."""
    if is_share(unit):
        rounded = round(100 * value, 2)
        return f"{rounded:+.2f}".replace("-", MINUS) if rounded else "0"
    return f"{'+' if value > 0 else ''}{number_text(value)}"


def cost_text(value: float, unit: str) -> str:
    """What is lost, without its unit: in points, one digit after the point, where errors are shares."""
    return plain(100 * value, 1) if is_share(unit) else number_text(value)


def interval_text(value: float, ends: tuple[float, float] | None, unit: str) -> str:
    """A difference of errors, its interval and its unit: 1.2 (0.4 … 2.1) points."""
    if ends is None:
        return f"{cost_text(value, unit)} {difference_unit(unit)}"
    if is_share(unit):
        words = [plain(100 * x, 1) for x in (value, *ends)]
    else:
        power = _power(max(map(abs, (value, *ends))))
        within = FINEST <= power < COARSEST
        words = [plain(x, max(DIGITS - 1 - power, 0)) if within else number_text(x) for x in (value, *ends)]
    return f"{words[0]} ({words[1]} … {words[2]}) {difference_unit(unit)}"


def plain(value: float, digits: int) -> str:
    """A number with a true minus, and none before a zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", MINUS)


def number_text(value: float) -> str:
    """Three digits, whatever the size: 0.844, 12300, 1.23e−6."""
    if not value:
        return "0"
    power = _power(value)
    if FINEST <= power < COARSEST:
        return plain(value, max(DIGITS - 1 - power, 0))
    mantissa, exponent = f"{value:.{DIGITS - 1}e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", MINUS)


def _power(value: float) -> int:
    """Of ten, of a number as it is rounded to ``DIGITS``; 0 for 0."""
    return floor(log10(float(f"{abs(value):.{DIGITS - 1}e}"))) if value else 0
