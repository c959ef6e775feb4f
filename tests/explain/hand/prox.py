"""Each regularizer's prox once more, with a pencil: the argmin over x of ½(x−y)² + τR(x), y being a few weights.

Settings are those of the examples in ``explain/regularizers.py``: ρ = ½, δ = ½, bounds ±½, w₀ = 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Prox = Callable[[Sequence[float], float], list[float]]


def l2(y: Sequence[float], τ: float) -> list[float]:
    """x − y + τx = 0."""
    return [a / (1 + τ) for a in y]


def l1(y: Sequence[float], τ: float) -> list[float]:
    """Toward zero by τ, and no further than zero."""
    return [a - τ if a > τ else a + τ if a < -τ else 0.0 for a in y]


def elastic_net(y: Sequence[float], τ: float) -> list[float]:
    """Half of each: the lasso's threshold, then the ridge's division."""
    return [a / (1 + τ / 2) for a in l1(y, τ / 2)]


def l0(y: Sequence[float], τ: float) -> list[float]:
    """To keep a costs τ, to drop it a²/2."""
    return [a if a * a / 2 > τ else 0.0 for a in y]


def l_half(y: Sequence[float], τ: float) -> list[float]:
    """The larger root of x + τ/(2√x) = |y| by bisection, if it is better than 0."""
    return [math.copysign(_l_half(abs(a), τ), a) for a in y]


def _l_half(a: float, τ: float) -> float:
    low, high = (τ / 4) ** (2 / 3), a  # the left side is least at `low` and grows from there
    if low >= high or low + τ / (2 * math.sqrt(low)) > a:
        return 0.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if middle + τ / (2 * math.sqrt(middle)) > a else (middle, high)
    return high if (high - a) ** 2 / 2 + τ * math.sqrt(high) < a * a / 2 else 0.0


def huber(y: Sequence[float], τ: float) -> list[float]:
    """Ridge where the result is at most ½, else toward zero by τ/2."""
    return [a / (1 + τ) if abs(a / (1 + τ)) <= 0.5 else a - math.copysign(τ / 2, a) for a in y]


def box(y: Sequence[float], τ: float) -> list[float]:
    """The nearest number from −½ to ½."""
    return [min(max(a, -0.5), 0.5) for a in y]


def non_negative(y: Sequence[float], τ: float) -> list[float]:
    """The nearest number that is not negative."""
    return [max(a, 0.0) for a in y]


def toward_init(y: Sequence[float], τ: float) -> list[float]:
    """x − y + τ(x − 1) = 0."""
    return [(a + τ) / (1 + τ) for a in y]


def group_lasso(y: Sequence[float], τ: float) -> list[float]:
    """A block, here a pair, gets shorter by τ, and no shorter than nothing."""
    norms = [math.hypot(*y[i - i % 2 : i - i % 2 + 2]) for i in range(len(y))]
    return [a / n * (n - τ) if n > τ else 0.0 for a, n in zip(y, norms, strict=True)]


def sphere(y: Sequence[float], τ: float) -> list[float]:
    """As long as 2, in the same direction."""
    return [2 * a / math.hypot(*y) for a in y]


def sum_(y: Sequence[float], τ: float) -> list[float]:
    """L1 and half an L2: x − y + τ·sign(x) + τx/2 = 0."""
    return [a / (1 + τ / 2) for a in l1(y, τ)]


def scaled(y: Sequence[float], τ: float) -> list[float]:
    """Twice the L1 has twice the threshold."""
    return l1(y, 2 * τ)


def on_subset(y: Sequence[float], τ: float) -> list[float]:
    """L1 on the first three weights."""
    return [*l1(y[:3], τ), *y[3:]]


BY_HAND: dict[str, Prox] = {
    "L2": l2,
    "L1": l1,
    "ElasticNet": elastic_net,
    "L0": l0,
    "LHalf": l_half,
    "Huber": huber,
    "Box": box,
    "NonNegative": non_negative,
    "TowardInit": toward_init,
    "GroupLasso": group_lasso,
    "Sphere": sphere,
    "Sum": sum_,
    "Scaled": scaled,
    "OnSubset": on_subset,
}
