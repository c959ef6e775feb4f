"""The best λ of each learning rate, from its errors; and κ, the slope that these have together.

A vertex between three cells is off, by up to half a step of the λ grid, toward the gentler of two unequal walls. All
columns share that and κ does not notice, unless the walls change with lr: where the basin is flat below and steep above
at small lr, or the training diverges beside the best λ at large lr. So κ is found three times more: with parabolas that
reach twice as far, which are off about twice as much; with half a parabola for either wall; and without the columns
whose best cell lies beside one as bad as any. What each says of κ's error is a standard uncertainty on that side alone.
Without these, 90 % intervals of ``benchmarks/surfaces.py`` hold the truth in 2–42 % of the draws where the walls change
and in 45–81 % where a corner diverges; with them, in 93 % and more.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from math import hypot
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .intervals import Array

COLUMNS_NEEDED = 4
WALL = float(np.log(1.1))
"""A basin's walls: both ends of a column's grid have at least a tenth more errors than its best cell."""
STEEPER, ROUNDS = 20.0, 4
"""So many times steeper may one wall be than the other; so many rounds find how much it is."""
TIED = 1e-9
"""Log errors within this are the same: means of the same counts, summed in another order."""


def lowest(y: Array) -> NDArray[np.integer[Any]]:
    """The least of the last axis; of several that tie, the middle one."""
    tied = y <= y.min(-1, keepdims=True) + TIED
    return (tied.cumsum(-1) == (tied.sum(-1, keepdims=True) + 1) // 2).argmax(-1)


def vertices(z: Array, y: Array, reach: int = 1) -> Array:
    """z*, ``[…, lr]``: of the parabola through each column's best cell and those ``reach`` off; NaN without walls."""
    best = lowest(y)
    if len(z) < 3:
        return np.full(best.shape, np.nan)
    j = np.clip(best, 1, len(z) - 2)
    (left, h), (right, k) = rises(z, y, j, reach)
    fall, rise = left / h, right / k
    curvature = (fall + rise) / (h + k)
    lean = (rise * h - fall * k) / (h + k)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.where(curvature > 0, lean / (2 * curvature), 0.0)
    return np.where(walled(y, best), z[j] - moved, np.nan)


def walled(y: Array, best: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Whether a column's best cell lies inside the grid, and beats both ends."""
    walls = np.minimum(y[..., 0], y[..., -1]) >= at(y, best) + WALL
    return (best > 0) & (best < y.shape[-1] - 1) & walls


def lopsided(z: Array, y: Array) -> Array:
    """z* as ``vertices``, but of two half parabolas that meet there, each as steep as it is two cells off."""
    best = lowest(y)
    j = np.clip(best, 1, len(z) - 2)
    left, right, (far_left, h), (far_right, k) = (
        (np.maximum(rise, TIED), far) for reach in (1, 2) for rise, far in rises(z, y, j, reach)
    )
    ratio, moved = np.ones(best.shape), np.zeros(best.shape)
    for _ in range(ROUNDS):
        flipped = ratio * right[1] ** 2 * left[0] < left[1] ** 2 * right[0]
        sides = (np.where(flipped, b, a) for a, b in zip((*left, *right), (*right, *left), strict=True))
        offset, depth = _meet(*sides, np.where(flipped, 1 / ratio, ratio))
        moved = np.where(flipped, -offset, offset)
        steeper = (far_right + depth) / (k - moved) ** 2 / ((far_left + depth) / (h + moved) ** 2)
        ratio = np.clip(steeper, 1 / STEEPER, STEEPER)
    return np.where(walled(y, best), z[j] + moved, np.nan)


def _meet(left: Array, h: Array, right: Array, k: Array, ratio: Array) -> tuple[Array, Array]:
    """Where, right of the middle cell, the half parabolas through three cells meet, and how far below that cell.

    ``left`` and ``right``, above 0, are the rises over distances ``h`` and ``k``; the right one is ``ratio`` times as
    steep. It solves left·(ratio·(k − d)² − d²) = right·(h² + 2hd) for the lesser d ≥ 0.
    """
    middle = ratio * k * left + right * h
    last = ratio * k**2 * left - right * h**2
    offset = last / (middle + np.sqrt(np.maximum(middle**2 - (ratio - 1) * left * last, 0)))
    return offset, left / (h**2 + 2 * h * offset) * offset**2


def rises(z: Array, y: Array, j: NDArray[np.integer[Any]], reach: int) -> tuple[tuple[Array, Array], ...]:
    """By how much ``y`` is higher ``reach`` cells left and right of ``j``, or at the grid's end, and how far off."""
    ends = np.maximum(j - reach, 0), np.minimum(j + reach, len(z) - 1)
    least = at(y, j)
    return tuple((at(y, end) - least, np.abs(z[end] - z[j])) for end in ends)


def slope(x: Array, zs: Array) -> Array:
    """−1 times Theil–Sen's slope: the median over all pairs of columns that have a vertex; NaN for too few of them."""
    i, k = np.triu_indices(len(x), 1)
    slopes = np.sort((zs[..., k] - zs[..., i]) / (x[k] - x[i]), axis=-1)  # NaN comes last
    columns = np.isfinite(zs).sum(-1)
    pairs = columns * (columns - 1) // 2
    middle = (at(slopes, (np.maximum(pairs, 1) - 1) // 2) + at(slopes, np.maximum(pairs, 1) // 2)) / 2
    return np.where(columns >= COLUMNS_NEEDED, -middle, np.nan)


def at(values: Array, index: NDArray[np.integer[Any]]) -> Array:
    """The element of the last axis that ``index`` names."""
    if not values.shape[-1]:
        return np.full(index.shape, np.nan)
    return np.take_along_axis(values, np.minimum(index, values.shape[-1] - 1)[..., None], -1)[..., 0]


def lean(x: Array, z: Array, samples: Array) -> tuple[float, float]:
    """The standard uncertainties below and above κ that unequal walls add, from samples ``[seed, lr, λ]``."""
    y = np.log(samples.mean(0))
    zs = vertices(z, y)
    lost = (samples >= samples.max() * (1 - TIED)).any(0)
    beside = np.any([at(lost, np.clip(lowest(y) + side, 0, len(z) - 1)) for side in (-1, 1)], axis=0)
    others = vertices(z, y, reach=2), lopsided(z, y), np.where(beside, np.nan, zs)
    farther, apart, fewer = (float(slope(x, other) - slope(x, zs)) for other in others)
    errors = np.nan_to_num([-farther, apart, fewer])
    return hypot(*errors[errors < 0]), hypot(*errors[errors > 0])
