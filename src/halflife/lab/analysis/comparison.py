"""Is one optimizer better than another? Paired over seeds, by sign flips; Holm's correction across optimizers.

Each optimizer is tuned without the seed that it is scored on: seed s's test error is that of the cell whose mean
validation error over the other seeds is least. So a finer grid, which has more chances to be lucky, gains nothing.
Under "no difference" the sign of each seed's paired difference is a coin's (Fisher 1935, The Design of Experiments,
§21): p is the share of the 2ⁿ sign flips, or of 9999 random ones and the observed, whose |mean| is at least that.

With n seeds p cannot be below 2/2ⁿ, which is 1/8 for 4; the least p of m comparisons counts m-fold (Holm 1979).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import numpy as np

from ..inference.intervals import Array, Estimate, NotIdentified, estimate
from .findings import Findings

EXACT = 13
"""Up to so many seeds every sign flip is counted."""


class Comparison(NamedTuple):
    """``other`` has ``difference`` more test error than ``leader``; p raw and by Holm."""

    leader: str
    other: str
    difference: Estimate
    p: float
    p_holm: float


def compare(found: Sequence[Findings]) -> list[Comparison] | NotIdentified:
    """The optimizer of least validation error against each other one, in the order given; by their labels."""
    if len(found) < 2:
        return NotIdentified("one optimizer: nothing to compare it with")
    if min(len(one.complete) for one in found) < 2:
        return NotIdentified("one seed: whatever differs may be luck")
    if any(not np.isfinite(one.test[list(one.complete)]).all() for one in found):
        return NotIdentified("there is no test error to compare by")
    leader = min(found, key=lambda one: float(one.error.min()))
    others = [one for one in found if one is not leader]
    if any(one.complete != leader.complete for one in others):
        return NotIdentified("the optimizers were not run on the same seeds")
    differences = [honest_scores(other) - honest_scores(leader) for other in others]
    raw = [sign_flip(difference) for difference in differences]
    return [
        Comparison(leader.spec.label, other.spec.label, _mean(difference), p, adjusted)
        for other, difference, p, adjusted in zip(others, differences, raw, holm(raw), strict=True)
    ]


def _mean(differences: Array) -> Estimate:
    return estimate(lambda samples: samples.mean(-1), differences)


def honest_scores(found: Findings) -> Array:
    """Each seed's test error at the cell that the other seeds choose on validation, ``[seed]``."""
    val, test = (errors[list(found.complete)] for errors in (found.val, found.test))
    others = (val.sum(0) - val).reshape(len(val), -1).argmin(-1)
    return test.reshape(len(test), -1)[np.arange(len(test)), others]


def sign_flip(differences: Array) -> float:
    """Two-sided p of the mean of paired differences ``[seed]``."""
    n = len(differences)
    if n <= EXACT:
        signs = 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
    else:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(10_000, n))
        signs[0] = 1
    sums = np.abs(signs @ differences)
    return float((sums >= sums[0] * (1 - 1e-9)).mean())


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: the k-th least p times the number of those not yet judged, never falling."""
    order = np.argsort(p, kind="stable")
    adjusted = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    result = np.empty(len(p))
    result[order] = np.minimum(adjusted, 1)
    return result.tolist()


def smallest_p(seeds: int) -> float:
    """What a sign-flip test can reach at best."""
    return 2.0 / 2.0**seeds


def seeds_needed(comparisons: int, level: float = 0.05) -> int:
    """How many seeds it takes for the least of so many p, after Holm, to be able to reach the level."""
    return next(n for n in count(1) if comparisons * smallest_p(n) <= level)
