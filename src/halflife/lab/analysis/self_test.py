"""The study checks itself: AdamW's two forms are one optimizer in two parametrizations, λ_paper = lr·λ_PyTorch.

So κ(PyTorch form) = κ(paper form) + 1 whatever the problem; where an interval of the difference excludes 1, the
estimate, the grid or the implementation is at fault, and no κ of the study should be trusted before that is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot
from typing import NamedTuple

import numpy as np

from ..inference.coupling import by_columns, coupling, resolution
from ..inference.intervals import Array, Estimate, Interval, NotIdentified, estimate
from .findings import Findings

TORCH, PAPER = "adamw-torch", "adamw-paper"
LEVEL = 0.95
"""Of the interval that must hold 1: one sound study in twenty gives a false alarm."""


class SelfTest(NamedTuple):
    """κ(PyTorch form) − κ(paper form), its 95 % interval, and whether that holds 1; None: cannot be said."""

    difference: Estimate | NotIdentified
    interval: Interval | NotIdentified
    passed: bool | None


def self_test(found: Sequence[Findings]) -> SelfTest | None:
    """Of a study with both forms of AdamW; None without them."""
    by_name = {one.spec.name: one for one in found}
    if not {TORCH, PAPER} <= by_name.keys():
        return None
    pair = [by_name[name] for name in (TORCH, PAPER)]
    for one in pair:
        if isinstance(one.kappa, NotIdentified):
            missing = NotIdentified(f"κ of {one.spec.label} is not identified")
            return SelfTest(missing, missing, None)
    if pair[0].complete != pair[1].complete or pair[0].lrs != pair[1].lrs:
        missing = NotIdentified("the two forms were not run on the same learning rates and seeds")
        return SelfTest(missing, missing, None)
    difference = _difference(pair)
    interval = difference.interval(LEVEL)
    return SelfTest(difference, interval, None if isinstance(interval, NotIdentified) else interval.holds(1.0))


def _difference(pair: Sequence[Findings]) -> Estimate:
    """The same seeds in both, so that what they share cancels: the two grids are resampled as one, side by side."""
    lrs, border = np.array(pair[0].lrs), len(pair[0].lams)
    lams = [np.array(one.lams) for one in pair]

    def statistic(samples: Array) -> Array:
        halves = samples[..., :border], samples[..., border:]
        torch, paper = (by_columns(lrs, z, half) for z, half in zip(lams, halves, strict=True))
        return torch - paper

    grids = [resolution(coupling(lrs, z, one.samples.mean(0)), z) for z, one in zip(lams, pair, strict=True)]
    samples = np.concatenate([one.samples for one in pair], axis=-1)
    return estimate(statistic, samples, resolution=hypot(*grids))
