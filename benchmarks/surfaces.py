"""Is κ found, narrowly, truly? On twenty analytic surfaces of known κ: ``python benchmarks/surfaces.py [draws]``.

Each has its floor on z = −κx exactly, whatever its walls are like, on a grid of 7 × 9 whose λ are shifted at random by
up to half a step. Errors are about 10⁻⁶, 1 or 10³. Each draw goes the way that a study's runs go, not finite errors
included, up to the verdict; its seeds differ as in ``benchmarks/coverage.py``.

A row says, of the draws whose best λ lies inside the grid in four columns or more, how many have an interval of κ; of
those the median half-width, the share that holds the truth, and how many say "decoupled" of a |κ| of ¼ or more; and how
many draws say "safe" of a price that, on the surface without noise or on average over draws, is more than bearable.
At a level of 90 % an interval may lie wholly on one side of the truth in 5 % of the draws: of 200 draws 10 may be
called decoupled, and 10 safe, wrongly. That is where the truth lies at the limit itself; farther off it is never.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.coverage import logistic
from halflife.lab import CONTENDERS, Findings
from halflife.lab.analysis import findings, verdict
from halflife.lab.analysis.verdict import DECOUPLED, EQUIVALENT, WORTH
from halflife.lab.inference import NotIdentified
from halflife.lab.inference.regret import separate_regret

LRS, LAMS = np.geomspace(1e-3, 3e-2, 7), np.geomspace(1e-4, 1.0, 9)
X, Z = np.log(LRS) - np.log(LRS).mean(), np.log(LAMS) - np.log(LAMS).mean()
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


class Run(NamedTuple):
    """What is read of a network's results."""

    val_error: float
    test_error: float
    diverged: bool


def draws(surface: Surface, seeds: int, count: int, noise: float = NOISE) -> Iterator[Findings]:
    """So many studies of it."""
    generator = np.random.default_rng([seeds, SURFACES.index(surface)])
    step = Z[1] - Z[0]
    for _ in range(count):
        normal = lambda *more: noise * generator.standard_normal((seeds, *more))  # noqa: E731
        moved = step * generator.uniform(-0.5, 0.5)
        factor = np.exp(normal(1, 1) / 2 + normal(len(X), 1) / 2 + normal(len(X), len(Z)))
        errors = surface.errors(Z + moved, normal() / 3, normal(), factor).ravel().tolist()
        runs = [Run(error, error, error != error) for error in errors]
        grid = tuple(LRS.tolist()), tuple((LAMS * np.exp(moved)).tolist())
        yield findings(CONTENDERS["adamw-torch"], *grid, runs, None)


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
    studies = list(draws(surface, seeds, count, noise))
    best = np.array([found.error.argmin(-1) for found in studies])
    inside = ((best > 0) & (best < len(Z) - 1)).sum(-1) >= 4
    judged = [verdict(found) for found in studies]
    intervals = [
        None
        if isinstance(found.kappa, NotIdentified) or isinstance(found.kappa.interval(), NotIdentified)
        else found.kappa.interval()
        for found in studies
    ]
    known = np.array([interval is not None for interval in intervals])
    widths = [(interval.high - interval.low) / 2 for interval in intervals if interval]
    holds = [interval.holds(surface.kappa) for interval in intervals if interval]
    return Row(
        inside.mean(),
        known[inside].mean() if inside.any() else np.nan,
        float(np.median(widths)) if widths else np.nan,
        float(np.mean(holds)) if holds else np.nan,
        np.mean([one.state == DECOUPLED for one in judged]) * (abs(surface.kappa) >= EQUIVALENT),
        np.mean([one.safe is True for one in judged]) * dear(surface, studies),
    )


def dear(surface: Surface, studies: list[Findings]) -> bool:
    """Whether tuning apart costs more than is bearable, without noise or on average."""
    clean = surface._replace(counts=0).errors(Z)
    clean = np.where(np.isnan(clean), np.nanmax(clean), clean)
    without = float(separate_regret(np.stack([clean] * 2))) / clean.min()
    average = np.mean([found.regret.separate.value for found in studies]) / clean.min()
    return bool(max(without, average) > WORTH)


def main(count: str = "200", noise: str = str(NOISE)) -> None:
    print(
        f"{'surface':8} {'κ':>4} {'errors':>6} {'seeds':>5} {'inside':>7} {'identified':>10} {'half-width':>10}"
        f" {'coverage':>8} {'decoupled':>9} {'safe':>5}"
    )
    for seeds in (4, 8):
        for one in SURFACES:
            found = row(one, seeds, int(count), float(noise))
            print(
                f"{one.name:8} {one.kappa:>4} {one.scale:>6g} {seeds:>5} {100 * found.inside:>7.0f} {100 * found.identified:>10.0f}"
                f" {found.half_width:>10.2f} {100 * found.coverage:>8.0f} {100 * found.decoupled:>9.1f} {100 * found.safe:>5.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
