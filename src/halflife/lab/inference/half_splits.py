"""Half of the seeds choose, the others score: so that what is chosen is not praised for its luck."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .intervals import Array

MOST = 100
"""Of more half-splits than that, so many are drawn, always the same."""


def half_splits(seeds: int, fewest: int = 1) -> NDArray[np.bool_]:
    """Who chooses, ``[split, seed]``: every half of the seeds, both ways; at least ``fewest`` are left to score.

    An odd number of seeds is halved both ways too, unless too few would be left.
    """
    sizes = sorted({seeds // 2, seeds - seeds // 2} & set(range(1, seeds - fewest + 1)))
    if sum(comb(seeds, size) for size in sizes) <= MOST:
        chosen = [half for size in sizes for half in combinations(range(seeds), size)]
    else:
        generator = np.random.default_rng(0)
        drawn = [generator.permutation(seeds) for _ in range(MOST // 2)]
        chosen = [part for order in drawn for part in (order[: seeds // 2], order[seeds // 2 :])]
    splits = np.zeros((len(chosen), seeds), dtype=bool)
    for split, half in zip(splits, chosen, strict=True):
        split[list(half)] = True
    return splits


def means(samples: Array, who: NDArray[np.bool_]) -> Array:
    """The mean over those seeds: from ``[…, seed, lr, λ]`` and ``[split, seed]`` to ``[…, split, lr, λ]``."""
    weights: NDArray[np.floating[Any]] = who / who.sum(-1, keepdims=True)
    flat = samples.reshape(*samples.shape[:-2], -1)
    return (weights @ flat).reshape(*samples.shape[:-3], len(who), *samples.shape[-2:])
