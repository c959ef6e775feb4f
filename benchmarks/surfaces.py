"""Is κ found, narrowly, truly? On twenty analytic surfaces of known κ: ``python -m benchmarks.surfaces [draws]``.

Each has its floor on z = −κx exactly, whatever its walls are like, on a grid of 7 × 9 that lies in eight ways to it.
Errors are about 10⁻⁶, 1 or 10³. Each draw goes the way that a study's runs go, not finite errors included, up to the
verdict; its seeds differ as in ``benchmarks/coverage.py``.

A row says in how many draws the best λ lies inside the grid in four columns or more; how many of these have an interval
of κ; of the intervals the median half-width, and how many hold the truth; how many draws say "decoupled" of a |κ| of ¼
or more; and how many say "safe" of what costs, on average over 100 other studies on that grid, more than is bearable.
All but κ and the half-width are in percent. With ``python -m benchmarks.surfaces 200 0.1 held-out`` there are twenty
others, on which nothing was tuned.

A 90 % interval may leave out 5 % on either side. So 5 % of the draws may say "decoupled" wrongly, and 5 % "safe", where
the truth lies at the very limit, and fewer the farther off it lies.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from math import isnan
from typing import NamedTuple

import numpy as np

from benchmarks.coverage import logistic
from halflife.lab import OPTIMIZER_SPECS, Findings
from halflife.lab.analysis import findings, verdict
from halflife.lab.analysis.verdict import DECOUPLED, EQUIVALENT, WORTH
from halflife.lab.inference import Interval, NotIdentified
from halflife.lab.inference.columns import COLUMNS_NEEDED
from halflife.lab.inference.regret import separate_regret

LRS, LAMS = np.geomspace(1e-3, 3e-2, 7), np.geomspace(1e-4, 1.0, 9)
X, Z = np.log(LRS) - np.log(LRS).mean(), np.log(LAMS) - np.log(LAMS).mean()
PLACES, OTHERS = 8, 100
NOISE = 0.1
"""The standard deviation of a cell's log error between seeds."""

Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]


def steep(left: float, right: float) -> Shape:
    """A valley with these walls, in log error for each (log λ)², that rises toward both ends of the lrs."""
    return lambda x, u: 0.08 * np.exp(np.where(u < 0, left, right) * u**2 + 0.05 * x**2)


def kinked(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Straight walls in log error, the upper one twice as steep."""
    return 0.08 * np.exp(np.where(u < 0, -0.4, 0.8) * u + 0.05 * x**2)


def plain(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Flat at small lr, where λ below the best one changes little; a steep wall where λ kills the weights."""
    return 0.08 * (1 + 4 * logistic(2 * x) * -np.expm1(-0.3 * np.minimum(u, 0) ** 2) + np.expm1(np.maximum(u, 0) ** 2))


def flat(x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """At the three least lrs λ does not matter at all."""
    return 0.08 * np.exp(np.where(x < -0.5, 0.0, 0.3) * u**2 + 0.05 * x**2)


class Surface(NamedTuple):
    """Error ``scale · shape(x, z + κx − middle)``; not finite above x + z = ``corner``; rounded to 1/``counts``."""

    name: str
    kappa: float
    scale: float
    shape: Shape
    corner: float = np.inf
    counts: int = 0
    middle: float = 0.0
    most: float = 0.9

    def errors(self, z: np.ndarray, tilt=0.0, shift=0.0, factor=1.0) -> np.ndarray:
        """Errors ``[…, lr, λ]`` with the floor tilted and shifted, and all multiplied by ``factor``."""
        tilt, shift = np.asarray(tilt)[..., None, None], np.asarray(shift)[..., None, None]
        x = X[:, None]
        error = np.minimum(self.shape(x, z - self.middle - shift + (self.kappa + tilt) * x) * factor, self.most)
        if self.counts:
            error = np.round(error * self.counts) / self.counts
        return self.scale * np.where(x + z - shift > self.corner, np.nan, error)


EVEN = steep(0.3, 0.3)
SURFACES = [
    Surface("bowl", 0.0, 1, EVEN),
    Surface("bowl", 1.0, 1e-6, EVEN),
    Surface("bowl", -1.0, 1e3, EVEN, most=np.inf),
    Surface("bowl", 2.0, 1, EVEN, most=np.inf),
    Surface("shallow", 0.3, 1e3, steep(0.12, 0.12)),
    Surface("unequal", 0.0, 1e3, steep(0.12, 0.6)),
    Surface("unequal", 0.5, 1e-6, steep(0.6, 0.12)),
    Surface("unequal", 2.0, 1e3, steep(0.15, 0.6)),
    Surface("kinked", -0.5, 1, kinked),
    Surface("corner", 0.0, 1e3, EVEN, corner=2.0),
    Surface("corner", 1.0, 1, EVEN, corner=2.0),
    Surface("corner", -1.0, 1e-6, EVEN, corner=3.5),
    Surface("ties", 0.0, 1, EVEN, counts=100),
    Surface("ties", 1.0, 1e3, EVEN, counts=25),
    Surface("ties", -0.5, 1e-6, steep(0.12, 0.6), counts=50),
    Surface("edge", 1.0, 1, EVEN, middle=2.9),
    Surface("edge", 1.5, 1e3, EVEN, middle=-2.0),
    Surface("flat", 0.0, 1, flat),
    Surface("plain", 1.0, 1e-6, plain),
    Surface("plain", 0.0, 1e3, plain),
]


def floor(rise: Callable[[np.ndarray], np.ndarray], along: float) -> Shape:
    """A valley that rises so in log error beside its floor, and by ``along`` for each (log lr)² along it."""
    return lambda x, u: 0.1 * np.exp(rise(u) + along * x**2)


QUADRATIC = floor(lambda u: 0.12 * u**2, 0.08)
QUARTIC = floor(lambda u: 0.01 * u**4 + 0.05 * u**2, 0.04)
COSH = floor(lambda u: 0.5 * (np.cosh(0.7 * u) - 1), 0.06)
STRAIGHT = floor(lambda u: 0.45 * np.sqrt(u**2 + 0.3), 0.05)
SKEW = floor(lambda u: np.exp(0.5 * u) - 0.5 * u - 1, 0.05)
HELD_OUT = [
    *(Surface("quadratic", kappa, scale, QUADRATIC, most=np.inf) for kappa, scale in ((0, 1), (1, 1), (-1, 1e-6))),
    *(Surface("quadratic", kappa, scale, QUADRATIC, most=np.inf) for kappa, scale in ((2, 1e3), (0.5, 1), (-0.5, 1e3))),
    *(Surface("quartic", kappa, scale, QUARTIC, most=np.inf) for kappa, scale in ((0, 1e-6), (1, 1e3), (1.5, 1))),
    *(Surface("cosh", kappa, 1, COSH, most=np.inf) for kappa in (0, -1, 0.3)),
    *(Surface("straight", kappa, scale, STRAIGHT, most=np.inf) for kappa, scale in ((0, 1e3), (1, 1e-6))),
    *(Surface("skew", kappa, 1, SKEW, most=np.inf) for kappa in (0, 1, -0.4)),
    *(Surface("diverges", kappa, scale, QUADRATIC, corner=3.0, most=np.inf) for kappa, scale in ((0, 1), (1, 1e3))),
    Surface("ties", 1, 1, QUADRATIC, counts=200, middle=1.5, most=np.inf),
]
"""Fixed after the estimator was, before anything was run on them."""


class Run(NamedTuple):
    """What is read of a network's results."""

    val_error: float
    test_error: float
    diverged: bool


class Draw(NamedTuple):
    """A study, and what tuning lr and λ apart costs on its grid on average, as a share of the least error."""

    found: Findings
    price: float


def studies(surface: Surface, z: np.ndarray, shape: tuple[int, ...], noise: float, generator) -> np.ndarray:
    """Errors ``[*shape, lr, λ]``; the last of ``shape`` is the number of seeds."""
    normal = lambda *more: noise * generator.standard_normal((*shape, *more))  # noqa: E731
    factor = np.exp(normal(1, 1) / 2 + normal(len(X), 1) / 2 + normal(len(X), len(z)))
    return surface.errors(z, normal() / 3, normal(), factor)


def draws(surface: Surface, seeds: int, count: int, noise: float = NOISE) -> Iterator[Draw]:
    """So many studies of it."""
    generator = np.random.default_rng([seeds, [*SURFACES, *HELD_OUT].index(surface)])
    for i, moved in enumerate((Z[1] - Z[0]) * (np.arange(PLACES) / PLACES - 0.5)):
        others = studies(surface, Z + moved, (OTHERS, seeds), noise, generator)
        others = np.where(np.isnan(others), np.nanmax(others, (-3, -2, -1), keepdims=True), others)
        price = float((separate_regret(others) / others.mean(-3).min((-2, -1))).mean())
        grid = tuple(LRS.tolist()), tuple((LAMS * np.exp(moved)).tolist())
        for errors in studies(surface, Z + moved, (len(range(i, count, PLACES)), seeds), noise, generator):
            runs = [Run(error, error, isnan(error)) for error in errors.ravel().tolist()]
            yield Draw(findings(OPTIMIZER_SPECS["adamw-torch"], *grid, runs, None), price)


class Row(NamedTuple):
    """Shares of the draws, and the half-width."""

    inside: float
    identified: float
    half_width: float
    coverage: float
    decoupled: float
    safe: float


def row(surface: Surface, seeds: int, count: int, noise: float = NOISE) -> Row:
    """What ``count`` draws show."""
    inside, intervals, decoupled, safe = [], [], [], []
    for found, price in draws(surface, seeds, count, noise):
        best = found.error.argmin(-1)
        inside.append(((best > 0) & (best < len(Z) - 1)).sum() >= COLUMNS_NEEDED)
        intervals.append(found.kappa if isinstance(found.kappa, NotIdentified) else found.kappa.interval())
        judged = verdict(found)
        decoupled.append(judged.state == DECOUPLED and abs(surface.kappa) >= EQUIVALENT)
        safe.append(judged.safe is True and price > WORTH)
    known = [isinstance(interval, Interval) for interval in intervals]
    there = [interval for interval in intervals if isinstance(interval, Interval)]
    return Row(
        float(np.mean(inside)),
        float(np.mean([one for one, counts in zip(known, inside, strict=True) if counts] or [np.nan])),
        float(np.median([(one.high - one.low) / 2 for one in there] or [np.nan])),
        float(np.mean([one.holds(surface.kappa) for one in there] or [np.nan])),
        float(np.mean(decoupled)),
        float(np.mean(safe)),
    )


def main(count: str = "200", noise: str = str(NOISE), which: str = "known") -> None:
    """Print one row for each surface and number of seeds."""
    print(f"{'surface':8} {'κ':>4} {'errors':>6} {'seeds':>5}", *(f"{heading:>10}" for heading in Row._fields))
    for seeds in (4, 8):
        for one in HELD_OUT if which == "held-out" else SURFACES:
            found = row(one, seeds, int(count), float(noise))
            shares = (100 * share for share in (found.inside, found.identified, *found[3:]))
            cells = [f"{share:>10.3g}" for share in shares]
            cells.insert(2, f"{found.half_width:>10.2f}")
            print(f"{one.name:8} {one.kappa:>4} {one.scale:>6g} {seeds:>5}", *cells, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
