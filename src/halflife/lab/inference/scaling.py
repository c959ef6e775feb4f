"""How the best λ and the best lr move along a third axis, a batch size say: exponents of power laws, and how surely.

With a the axis and z*(a, α) = log λ*, the vertex of a column as for κ:

- λ at the same lr: p = dz*/d log a at fixed α, the median of the slopes over all pairs of points of the axis and over
  all learning rates that both have a vertex at (Theil–Sen, as for κ): λ* ∝ a^p;
- lr, and λ, of the best cell: the same of the vertex of min over λ of log error along log α, and of min over lr of it
  along log λ.

Whole seeds are resampled, for all points share them. The place of the grid's points adds ``VERTEX`` of a step's
standard uncertainty to each vertex, as for κ.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .columns import vertices
from .coupling import VERTEX
from .intervals import Array, Estimate, NotIdentified, estimate

POINTS_NEEDED = 3
"""Two points give a slope, and no word on whether a power law holds."""


class Exponents(NamedTuple):
    """λ* ∝ a^``lam_at_lr`` where lr stays; of the best cell lr* ∝ a^``lr`` and λ* ∝ a^``lam``."""

    lam_at_lr: Estimate | NotIdentified
    lr: Estimate | NotIdentified
    lam: Estimate | NotIdentified


def exponents(points: Array, lrs: Array, lams: Array, samples: Array) -> Exponents:
    """From errors above 0 of shape ``[seed, point, lr, λ]`` at increasing ``points`` above 0."""
    a, x, z = np.log(points), np.log(lrs), np.log(lams)
    ways: list[tuple[Callable[[Array], Array], Array]] = [
        (lambda y: vertices(z, y), z),
        (lambda y: vertices(x, y.min(-1))[..., None], x),
        (lambda y: vertices(z, y.min(-2))[..., None], z),
    ]
    return Exponents(*(_exponent(a, find, grid, samples) for find, grid in ways))


def _exponent(a: Array, find: Callable[[Array], Array], grid: Array, samples: Array) -> Estimate | NotIdentified:
    """``find`` gives the vertices ``[…, point, column]`` of log errors ``[…, point, lr, λ]``."""
    found = find(np.log(samples.mean(0)))
    there = np.isfinite(found).any(-1)
    if there.sum() < POINTS_NEEDED:
        return NotIdentified(
            f"the best one lies inside the grid, and matters, at {there.sum()} of {len(a)} points of the axis; "
            f"{POINTS_NEEDED} are needed"
        )
    step = float(np.diff(grid).mean())
    places = np.broadcast_to(a[:, None], found.shape)[np.isfinite(found)]
    spread = float(np.sqrt(np.square(places - places.mean()).sum()))
    best = estimate(
        lambda errors: median_slope(a, find(np.log(errors.mean(-4)))),
        samples,
        resolution=VERTEX * step / spread,
    )
    interval = best.interval()
    return interval if isinstance(interval, NotIdentified) and len(samples) > 1 else best


def shifts(lams: Array, samples: Array) -> list[Estimate | NotIdentified]:
    """By how much log λ* at the same lr is more at each further point than at the first, from errors above 0.

    ``samples`` is of shape ``[seed, point, lr, λ]``; the median over the learning rates that both have a λ* at.
    """
    z = np.log(lams)
    step = float(np.diff(z).mean())
    found = vertices(z, np.log(samples.mean(0)))
    both = np.isfinite(found[1:] - found[0]).sum(-1)
    return [
        estimate(
            lambda errors, k=k: _middle(
                np.diff(vertices(z, np.log(errors.mean(-4)[..., [0, k], :, :])), axis=-2)[..., 0, :]
            ),
            samples,
            resolution=VERTEX * step * float(np.sqrt(2 / columns)),
        )
        if columns
        else NotIdentified("no learning rate has its best λ inside the grid at both")
        for k, columns in enumerate(both, 1)
    ]


def _middle(values: Array) -> Array:
    """The median of what is finite along the last axis; NaN where nothing is."""
    known = np.isfinite(values).any(-1)
    return np.where(known, np.nanmedian(np.where(np.expand_dims(known, -1), values, 0.0), axis=-1), np.nan)


def median_slope(a: Array, found: Array) -> Array:
    """Of positions ``[…, point, column]`` over ``a``: the median over all pairs of points that share a column.

    NaN where fewer than ``POINTS_NEEDED`` points have one.
    """
    i, k = np.triu_indices(len(a), 1)
    slopes = (found[..., k, :] - found[..., i, :]) / (a[k] - a[i])[:, None]
    flat = slopes.reshape(*slopes.shape[:-2], -1)
    enough = np.isfinite(found).any(-1).sum(-1) >= POINTS_NEEDED
    return np.where(enough, _middle(flat), np.nan)
