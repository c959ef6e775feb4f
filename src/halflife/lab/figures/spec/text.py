"""Learning rates and weight decays as people read them, the same in every picture and table."""

from __future__ import annotations


def number_text(value: float) -> str:
    """A learning rate or a λ: 0.003, but 3e-4."""
    if value == 0 or value >= 1e-3:
        return f"{value:g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
