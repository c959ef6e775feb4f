"""Where a logarithmic axis ends and which of its numbers are written."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import numpy as np

from ...inference.intervals import Array


def limits(values: Array) -> tuple[float, float]:
    """Around all that is finite and above 0, with some air."""
    known = values[np.isfinite(values) & (values > 0)]
    if not len(known):
        return 0.1, 1.0
    low, high = float(known.min()), float(known.max())
    air = max((high / low) ** 0.04, 1.02)
    return low / air, high * air


def nice_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 times powers of ten, or the powers alone where those would crowd."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in powers for step in steps]
        shown = [tick for tick in ticks if low <= tick <= high]
        if len(shown) <= 7:
            break
    return shown if len(shown) > 2 else even_ticks(low, high)


def even_ticks(low: float, high: float) -> list[float]:
    """At even distances of 1, 2 or 5 times a power of ten, at most five."""
    unit = 10.0 ** np.floor(np.log10((high - low) / 4))
    step = next(step for step in (unit, 2 * unit, 5 * unit, 10 * unit) if (high - low) / step <= 4)
    return [float(step * k) for k in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]
