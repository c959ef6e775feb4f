"""Which cells cannot be told from the best: subset selection (Gupta 1965, https://doi.org/10.2307/1266672).

With ē_c a cell's mean error over n seeds, those with ē_c ≤ min ē + q·s·√(2/n) are kept; with the level's probability
the truly best cell is among them. s² is what a layout of seeds × cells leaves unexplained (the seeds are blocks: every
cell has the same ones), pooled over the cells within half as many errors again as the best, and at least ten of them.
q is Dunnett's one-sided quantile for as many comparisons as the grid has other cells (Dunnett 1955,
https://doi.org/10.1080/01621459.1955.10501294). By its own spread alone no cell could be judged: four seeds leave it
three degrees of freedom.

The validation error of the chosen cell is the least of many and so too good (the winner's curse): report its test
error.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy import optimize, stats

from .intervals import Array, NotIdentified

Cell = tuple[int, int]

POOLED, AT_LEAST = 1.5, 10


def near_best(samples: Array, level: float = 0.95) -> tuple[Cell, ...] | NotIdentified:
    """The cells not told from the best, the best one first, from errors ``[seed, lr, λ]``."""
    seeds, cells = len(samples), samples[0].size
    if seeds < 2:
        return NotIdentified("one seed: how much cells differ by luck is unknown")
    if cells < 2:
        return ((0, 0),)
    errors = samples.reshape(seeds, -1)
    mean = errors.mean(0)
    order = mean.argsort(kind="stable")
    pooled = order[: max(int((mean <= POOLED * mean.min()).sum()), min(AT_LEAST, cells))]
    block = errors[:, pooled]
    left = block - block.mean(0) - block.mean(1, keepdims=True) + block.mean()
    df = (seeds - 1) * (len(pooled) - 1)
    reach = dunnett(cells - 1, df, level) * np.sqrt(np.square(left).sum() / df * 2 / seeds)
    kept = order[: int((mean <= mean.min() + reach).sum())]
    return tuple((int(c) // samples.shape[2], int(c) % samples.shape[2]) for c in kept)


@lru_cache(maxsize=1024)
def dunnett(others: int, df: int, level: float) -> float:
    """q with P(max_i (Z_i − Z_0)/(√2·s) ≤ q) = level over ``others`` i; df·s² is χ² with df degrees of freedom."""
    z, weights = hermegauss(48)
    weights = weights / weights.sum()
    s = np.sqrt(stats.chi2.ppf((np.arange(200) + 0.5) / 200, df) / df)

    def excess(q: float) -> float:
        below = stats.norm.cdf(z[:, None] + np.sqrt(2) * q * s) ** others
        return float(weights @ below.mean(-1)) - level

    found: Any = optimize.brentq(excess, 0, 100, xtol=1e-6)
    return float(found)
