"""Which share of what lr and λ do near the best is interaction: what no sum f(lr) + g(λ) says.

With y_sij the log error of seed s, double-centred over a rectangle of the grid, the cells' means split into
μ + α_i + β_j + (αβ)_ij, and

    ω² = Σ(αβ)² / (Σα² + Σβ² + Σ(αβ)²),

each sum cleared of noise by its own error: SS_E − df_E·MS_{seed × E}. That is Hays's ω² (Statistics, 1963) with the
noise left out of the denominator too, so that it says the same of a noisy and of a quiet problem. The test is that of
repeated measures: F = MS_αβ / MS_{seed × αβ}, with (a−1)(b−1) and (n−1)(a−1)(b−1) degrees of freedom.

The *near-optimal region* is the rectangle of those learning rates and those λ whose best cell has less than twice the
errors of the best of all (at least two of each). In ω² they weigh less the farther off they are, linearly in log error
from 1 down to 0, so that no row comes or goes by a hair: with a sharp edge instead, intervals hold the truth 50–90 % of
the time where 90 % is asked. It is chosen on half of the seeds, and the sums and F are taken on the others, over all
half-splits: chosen on the same seeds, it would gather lucky cells, whose luck is interaction. ω² is the ratio of the
mean sums; p is twice the median of the splits' (Meinshausen, Meier & Bühlmann 2009,
https://doi.org/10.1198/jasa.2009.tm08647), capped at 1.

ω² > 0 with κ = 0 is no contradiction: λ that matters at large lr only is interaction, but leaves the best λ in place.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from .half_splits import half_splits, means
from .intervals import Array, Estimate, NotIdentified, estimate

FAR = 2.0
"""Times the least error: there the region ends."""
ROUNDING = 1e-20
"""Mean squares of log errors below this are none."""
SECOND = 0.25
"""The least weight of the two best rows and columns, for with one there is no interaction."""


class Interaction(NamedTuple):
    """ω² in 0…1, the F-test's p, and the rows and columns of the region by all seeds."""

    omega2: Estimate
    p: float
    rows: tuple[int, ...]
    columns: tuple[int, ...]


class Effects(NamedTuple):
    """Mean squared effects, cleared of noise, and p, each ``[…, split]``."""

    rows: Array
    columns: Array
    interaction: Array
    p: Array


def interaction(samples: Array) -> Interaction | NotIdentified:
    """From errors above 0 of shape ``[seed, lr, λ]``."""
    if len(samples) < 3:
        return NotIdentified(f"{len(samples)} seeds: one must choose the region and two must score it")
    if min(samples.shape[1:]) < 2:
        return NotIdentified("one learning rate or one λ: nothing can interact")
    if np.isnan(omega2(samples)):
        return NotIdentified("near the best, lr and λ make no difference beyond noise")
    if len(samples) == 3:
        found = Estimate(float(omega2(samples)), 3, "none", np.empty(0))
    else:
        found = estimate(omega2, samples, bounds=(0.0, 1.0), bootstrap=False)
    p = min(1.0, 2 * float(np.median(effects(samples, sharp=True).p)))
    rows, columns = (tuple(np.flatnonzero(weights).tolist()) for weights in region(samples.mean(0)))
    return Interaction(found, p, rows, columns)


def omega2(samples: Array) -> Array:
    """From samples ``[…, seed, lr, λ]`` to ``[…]``; NaN where nothing rises above noise."""
    rows, columns, both = (part.mean(-1) for part in effects(samples)[:3])
    whole = rows + columns + both
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > ROUNDING, np.clip(both / whole, 0, 1), np.nan)


def region(errors: Array) -> tuple[Array, Array]:
    """How near rows ``[…, lr]`` and columns ``[…, λ]`` of mean errors ``[…, lr, λ]`` are: 1 the best, 0 too far."""
    least = errors.min((-2, -1))[..., None]
    return _near(errors.min(-1), least), _near(errors.min(-2), least)


def _near(bests: Array, least: Array) -> Array:
    second = SECOND * (bests.argsort(-1).argsort(-1) < 2)
    return np.maximum(1 - np.log(bests / least) / np.log(FAR), second)


def effects(samples: Array, sharp: bool = False) -> Effects:
    """Of each half-split: region from one half, effects from the other; ``sharp`` weighs the whole region alike."""
    who = half_splits(samples.shape[-3], fewest=2)
    rows, columns = region(means(samples, who))
    if sharp:
        rows, columns = (np.asarray(weights > 0, dtype=float) for weights in (rows, columns))
    df = ((rows > 0).sum(-1) - 1) * ((columns > 0).sum(-1) - 1)
    rows, columns = rows[..., None, :, None], columns[..., None, None, :]  # […, split, seed, lr, λ]
    rows, columns = rows / rows.sum(-2, keepdims=True), columns / columns.sum(-1, keepdims=True)
    y = np.log(samples)[..., None, :, :, :]
    of_rows = (y * columns).sum(-1, keepdims=True)
    of_columns = (y * rows).sum(-2, keepdims=True)
    middle = (of_rows * rows).sum(-2, keepdims=True)
    parts = of_rows - middle, of_columns - middle, y - of_rows - of_columns + middle
    (by_row, _), (by_column, _), (both, F) = (_effect(part, rows * columns, ~who) for part in parts)
    return Effects(by_row, by_column, both, np.asarray(stats.f.sf(F, df, df * ((~who).sum(-1) - 1))))


def _effect(effect: Array, cells: Array, who: NDArray[np.bool_]) -> tuple[Array, Array]:
    """The mean square over cells (their weights add to 1) of the seeds' mean effect, cleared of noise; and F."""
    count = who.sum(-1)
    seeds: NDArray[np.floating[Any]] = (who / count[:, None])[..., None, None]
    mean = (effect * seeds).sum(-3, keepdims=True)
    square = (mean**2 * cells).sum((-3, -2, -1))
    scatter = ((effect - mean) ** 2 * seeds * cells).sum((-3, -2, -1)) / (count - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        F = np.where(scatter > 0, square / scatter, np.inf)
    return square - scatter, F
