"""Numbers as people read them, the same in every picture and table."""

from __future__ import annotations

from math import isfinite, isnan

from ...analysis.sentences import SHARES

MINUS = "−"


def number_text(value: float) -> str:
    """A learning rate or a λ: 0.003, but 3e-4."""
    if value == 0 or value >= 1e-3:
        return f"{value:g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def error_text(mean: float, unit: str, spread: float = float("nan"), digits: int | None = None) -> str:
    """An error with its spread if it has one: in percent where it is a share, else three digits and no unit."""
    if not isfinite(mean):
        return "–"
    scale, places, sign = (100, 1, " %") if unit in SHARES else (1, 3, "")
    places = places if digits is None else digits
    more = "" if isnan(spread) else f" ± {scale * spread:.{places}f}"
    return f"{scale * mean:.{places}f}{more}{sign}".replace("-", MINUS)


def difference_text(value: float, unit: str) -> str:
    """A difference of errors with its sign: in points where they are shares."""
    scale, places = (100, 2) if unit in SHARES else (1, 3)
    rounded = round(scale * value, places)
    return f"{rounded:+.{places}f}".replace("-", MINUS) if rounded else "0"
