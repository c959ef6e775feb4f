"""How often do a study's intervals hold the truth? On surfaces of known κ: ``python benchmarks/coverage.py [studies]``.

Each study draws a valley whose floor lies on z = −κx, in one of six shapes, on a grid of 7 × 7 whose λ are shifted at
random by up to half a step; each seed multiplies all its errors by a factor of its own, those of each learning rate by
another and each cell's by a third, shifts and tilts the floor a little, and every error is capped at a guess's.
"""

import sys
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from halflife.lab.analysis.verdict import DECOUPLED, judge
from halflife.lab.inference import Estimate, NotIdentified, interaction, kappa, near_best, regret
from halflife.lab.inference.coupling import slope
from halflife.lab.inference.interaction import omega2
from halflife.lab.inference.regret import separate_regret, transfer_regret

GUESS, OTHERS = 0.9, 100
LRS, LAMS = np.geomspace(5e-4, 5e-2, 7), np.geomspace(1e-4, 1e-1, 7)
STEP = float(np.diff(np.log(LAMS))[0])


def logistic(t):
    """The smooth step from 0 to 1."""
    return 1 / (1 + np.exp(-t))


SHAPES = {
    "bowl": lambda x, u: 0.08 * np.exp(0.3 * u**2 + 0.05 * x**2),
    "lopsided": lambda x, u: 0.08 * np.exp(np.where(u > 0, 0.6, 0.12) * u**2 + 0.05 * x**2),
    "kinked": lambda x, u: 0.08 * np.exp(0.6 * np.abs(u) + 0.05 * x**2),
    "walls": lambda x, u: 0.07 + 0.01 * x**2 + 0.2 * logistic(-2 * (u + 1.5)) + 0.9 * logistic(3 * (u - 2.2)),
    "plain": lambda x, u: 0.07 + (0.02 + 0.25 * logistic(2 * x)) * logistic(-2 * (u + 1)) + 0.9 * logistic(3 * u - 7.5),
    "level": lambda x, u: 0.08 * np.exp(0.05 * x**2 + 0 * u),
}
"""Error by x = log lr and by u = z − floor, z = log λ. "plain" is flat at small lr; "level" has no floor, and no κ."""


class Study(NamedTuple):
    """Errors ``[seed, lr, λ]`` on a grid, what they would be without noise, other studies of this sort, and κ."""

    lams: np.ndarray
    samples: np.ndarray
    clean: np.ndarray
    others: np.ndarray
    kappa: float


def surface(shape, tilt, z, shift=0.0):
    """Errors ``[…, lr, λ]`` with the floor on z = shift − tilt·x."""
    x = (np.log(LRS) - np.log(LRS).mean())[:, None]
    tilt, shift = np.asarray(tilt)[..., None, None], np.asarray(shift)[..., None, None]
    return np.minimum(SHAPES[shape](x, z - shift + tilt * x), GUESS)


def draw(shape, tilt, z, noise, shape_of_seeds, generator):
    """Errors ``[*shape_of_seeds, lr, λ]``."""
    normal = lambda *more: noise * generator.standard_normal((*shape_of_seeds, *more))  # noqa: E731
    errors = surface(shape, tilt + normal() / 3, z, normal())
    return np.minimum(errors * np.exp(normal(1, 1) / 2 + normal(7, 1) / 2 + normal(7, 7)), GUESS)


def studies(shape: str, tilt: float, seeds: int, noise: float, count: int) -> Iterator[Study]:
    """``count`` studies; ``noise`` is the standard deviation of a cell's log error between seeds."""
    generator = np.random.default_rng([seeds, *shape.encode(), round(100 * tilt + 1000)])
    fine = np.linspace(-6, 6, 6001)
    floor = slope(np.log(LRS), fine[surface(shape, tilt, fine).argmin(-1)])
    for _ in range(count):
        lams = LAMS * np.exp(STEP * generator.uniform(-0.5, 0.5))
        z = np.log(lams) - np.log(LAMS).mean()
        samples = draw(shape, tilt, z, noise, (seeds,), generator)
        others = draw(shape, tilt, z, noise, (OTHERS, seeds), generator)
        yield Study(lams, samples, surface(shape, tilt, z), others, float(floor))


class Tally(NamedTuple):
    """What one study showed; NaN where it showed nothing."""

    bias: float
    kappa_90: float
    kappa_95: float
    unknown: float
    decoupled: float
    transfer_90: float
    separate_90: float
    omega2_90: float
    interaction: float
    best: float


def tally(study: Study) -> Tally:
    """Does each interval hold the truth? A regret's is the mean over other studies: its choices are as noisy there."""
    found, lost, share = kappa(LRS, study.lams, study.samples), regret(study.samples), interaction(study.samples)
    clean = np.stack([study.clean] * 4)
    best = np.unravel_index(study.clean.argmin(), study.clean.shape)
    known, interacting = isinstance(found, Estimate), not isinstance(share, NotIdentified)
    return Tally(
        bias=found.value - study.kappa if known else np.nan,
        kappa_90=held(found, study.kappa, 0.9),
        kappa_95=held(found, study.kappa, 0.95),
        unknown=np.isnan(held(found, study.kappa, 0.9)),
        decoupled=known and judge(found.interval(0.9)) == DECOUPLED,
        transfer_90=held(lost.transfer, float(transfer_regret(study.others).mean()), 0.9),
        separate_90=held(lost.separate, float(separate_regret(study.others).mean()), 0.9),
        omega2_90=held(share.omega2, float(omega2(clean)), 0.9) if interacting else np.nan,
        interaction=interacting and share.p <= 0.05,
        best=best in near_best(study.samples),
    )


def held(estimate: Estimate | NotIdentified, truth: float, level: float) -> float:
    """Whether the interval holds the truth; NaN without an interval."""
    interval = estimate if isinstance(estimate, NotIdentified) else estimate.interval(level)
    return np.nan if isinstance(interval, NotIdentified) else float(interval.holds(truth))


def cover(shape: str, tilt: float, seeds: int, noise: float, count: int) -> Tally:
    """The means over so many studies."""
    rows = np.array([tally(study) for study in studies(shape, tilt, seeds, noise, count)], dtype=float)
    there = ~np.isnan(rows)
    return Tally(*(np.where(there, rows, 0).sum(0) / np.maximum(there.sum(0), 1)))


HEADINGS = ["κ bias", "κ 90 %", "κ 95 %", "no κ", "decoupled", "R 90 %", "apart 90 %", "ω² 90 %", "F 5 %", "best in"]


def main(count: str = "50") -> None:
    """Print one row for each shape, κ, noise and number of seeds: shares of studies, in percent; κ's bias as it is."""
    print(f"{'shape':9} {'κ':>4} {'noise':>5} {'seeds':>5}", *(f"{heading:>11}" for heading in HEADINGS))
    for seeds, noise, shape, tilt in product((4, 8, 16), (0.05, 0.15), SHAPES, (0.0, 0.5, -1.0)):
        if shape == "level" and tilt:
            continue
        found = cover(shape, tilt, seeds, noise, int(count))
        cells = (f"{found.bias:>+11.3f}", *(f"{100 * share:>11.0f}" for share in found[1:]))
        print(f"{shape:9} {tilt:>4} {noise:>5} {seeds:>5}", *cells, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
