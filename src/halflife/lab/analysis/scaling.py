"""How one optimizer's best λ and lr move along a third axis, beside the law that speaks of it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp, log
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..config.axis import AxisPoint
from ..config.optimizers import OptimizerSpec
from ..inference import Estimate, Interval, NotIdentified
from ..inference.intervals import Array
from ..inference.scaling import POINTS_NEEDED, Exponents, exponents, shifts
from ..laws import Law, law_along
from .findings import Findings
from .sentences import signed, span

if TYPE_CHECKING:
    from ..result import Result


class Prediction(NamedTuple):
    """λ at ``point`` and this lr, from the other points; ``low`` … ``high`` is what is near the best there."""

    point: AxisPoint
    lr: float
    lam: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        return self.low <= self.lam <= self.high


@dataclass(frozen=True)
class Scaling:
    """One optimizer's findings at each point of an axis, in its order."""

    spec: OptimizerSpec
    points: tuple[AxisPoint, ...]
    findings: tuple[Findings, ...]

    @property
    def axis(self) -> str:
        return self.points[0].name

    @property
    def is_numeric(self) -> bool:
        """Whether there may be an exponent."""
        return all(point.is_number for point in self.points)

    @cached_property
    def values(self) -> Array:
        """The points' numbers."""
        return np.array([float(point.value) for point in self.points])

    @cached_property
    def law(self) -> Law | None:
        """What is published of the best λ along this axis."""
        return law_along(self.axis, self.spec)

    @cached_property
    def exponents(self) -> Exponents:
        """Of the best λ and lr, each with its interval, or why there is none."""
        samples = self.samples
        if not self.is_numeric:
            samples = NotIdentified(f"{self.axis} has words, and no exponent")
        elif len(self.points) < POINTS_NEEDED:
            samples = NotIdentified(f"{len(self.points)} points on the axis; {POINTS_NEEDED} are needed")
        if isinstance(samples, NotIdentified):
            return Exponents(*[samples] * len(Exponents._fields))
        first = self.findings[0]
        return exponents(self.values, np.array(first.lrs), np.array(first.lams), samples)

    @cached_property
    def shifts(self) -> list[Estimate | NotIdentified]:
        """By how much log λ* at the same lr is more at each further point than at the first."""
        samples = self.samples
        if isinstance(samples, NotIdentified):
            return [samples] * (len(self.points) - 1)
        return shifts(np.array(self.findings[0].lams), samples)

    @cached_property
    def samples(self) -> Array | NotIdentified:
        """The errors ``[seed, point, lr, λ]`` of the seeds that are complete everywhere, all above 0."""
        first = self.findings[0]
        if any((found.lrs, found.lams) != (first.lrs, first.lams) for found in self.findings):
            return NotIdentified("the points have not the same lrs and λ")
        seeds = sorted(set.intersection(*(set(found.complete) for found in self.findings)))
        if not seeds:
            return NotIdentified("no seed has run the whole grid at every point")
        errors = np.stack([found.val[seeds] for found in self.findings], 1)
        above = errors[errors > 0]
        return np.maximum(errors, above.min() / 2 if above.size else 1.0)

    def best_lams(self, point: int) -> dict[float, float]:
        """λ* of each learning rate that has one inside the grid, at this point of the axis."""
        found = self.findings[point]
        return {found.lrs[vertex.cell[0]]: exp(vertex.z) for vertex in found.coupling.ridge}

    def near_best_lams(self, point: AxisPoint) -> str:
        """The λ near the best at the best lr of this point, in words."""
        found = self.findings[self.points.index(point)]
        low, high = near_range(found, found.best[0])
        return f"{low:.2g} … {high:.2g}"

    def leave_one_out(self) -> list[Prediction]:
        """Each point's λ by the law from the other points, at the lr of its best cell, beside what was measured there.

        What is near the best reaches half a step of the grid beyond its cells. A point is left out where no other has a
        best λ inside the grid at that lr.
        """
        law = self.law
        factors = None if law is None else [law_factor(law, point) for point in self.points]
        if factors is None or None in factors:
            return []
        moves = [log(factor) for factor in factors if factor is not None]
        found = list[Prediction]()
        for i, here in enumerate(self.findings):
            lr = here.best_lr
            others = [(j, self.best_lams(j).get(lr)) for j in range(len(self.points)) if j != i]
            known = [log(lam) - moves[j] for j, lam in others if lam is not None]
            if known:
                lam = exp(sum(known) / len(known) + moves[i])
                found.append(Prediction(self.points[i], lr, lam, *near_range(here, here.best[0])))
        return found


def law_factor(law: Law, point: AxisPoint) -> float | None:
    """What λ* is proportional to by the law at this point; None where it says nothing of it."""
    if isinstance(point.value, str):
        return law.factors.get(point.value)
    return float(point.value) ** law.exponents[point.name] if point.name in law.exponents else None


def near_range(found: Findings, row: int) -> tuple[float, float]:
    """The λ of a learning rate that are not told from the best one there, half a step of the grid to either side."""
    lams = np.log(found.lams)
    cells = (found.best,) if isinstance(found.near_best, NotIdentified) else found.near_best
    columns = [column for i, column in cells if i == row] or [found.best[1]]
    half = float(np.diff(lams).mean()) / 2 if len(lams) > 1 else 0.0
    return exp(lams[min(columns)] - half), exp(lams[max(columns)] + half)


def scalings(results: Sequence[Result]) -> list[Scaling]:
    """Of each axis that these are points of, and of each optimizer that all its points have."""
    there = [(result.point, result) for result in results if result.point is not None]
    axes = {point.name: [one for one in there if one[0].name == point.name] for point, _ in there}
    return [scaling for points in axes.values() for scaling in _along(points)]


def _along(there: list[tuple[AxisPoint, Result]]) -> list[Scaling]:
    if len(there) < 2:
        return []
    if all(point.is_number for point, _ in there):
        there.sort(key=lambda one: float(one[0].value))
    points = tuple(point for point, _ in there)
    found = [{one.spec.name: one for one in result.findings} for _, result in there]
    shared = [name for name in found[0] if all(name in one for one in found)]
    return [Scaling(found[0][name].spec, points, tuple(one[name] for one in found)) for name in shared]


def scaling_words(scaling: Scaling) -> list[str]:
    """What moves, the law beside it, and whether the law would have told each point from the others."""
    label, axis = scaling.spec.label, scaling.axis
    bests = ", ".join(
        f"{_value(point)}: lr {found.best_lr:g}, λ {found.best_lam:g}"
        for point, found in zip(scaling.points, scaling.findings, strict=True)
    )
    lines = [f"{label}, best at {axis} {bests}."]
    at_lr, lr, lam = scaling.exponents
    if scaling.is_numeric:
        powers = [exponent_text(axis, one) for one in (at_lr, lr, lam)]
        lines.append(
            f"{label}, along {axis}: the best λ at the same lr: {powers[0]}; lr of the best cell: {powers[1]}; its λ: "
            f"{powers[2]}."
        )
    else:
        first, *further = scaling.points
        words = ", ".join(
            f"{point.value} {factor_text(shift)}" for point, shift in zip(further, scaling.shifts, strict=True)
        )
        lines.append(f"{label}, the best λ at the same lr, beside {axis} {first.value}: {words}.")
    law = scaling.law
    if law is None:
        return lines
    lines.append(f"{law.source.partition(', http')[0]}: {law.statement}; {_expected(scaling, law, at_lr)}")
    told = scaling.leave_one_out()
    if told:
        outside = [one for one in told if not one.holds]
        words = "; ".join(f"{_value(one.point)}: {one.lam:.2g} for {one.low:.2g} … {one.high:.2g}" for one in outside)
        lines.append(
            f"Left out one by one, {len(told) - len(outside)} of {len(told)} points have near their best the λ that "
            f"the law tells from the others{f' (not at {axis} {words})' if outside else ''}."
        )
    return lines


def _expected(scaling: Scaling, law: Law, measured: Estimate | NotIdentified) -> str:
    if not scaling.is_numeric:
        factors = [(point, law_factor(law, point)) for point in scaling.points]
        least = min((factor for _, factor in factors if factor is not None), default=1.0)
        words = ", ".join(f"{point.value} × {factor / least:.2g}" for point, factor in factors if factor is not None)
        return f"then the best λ would be {words}."
    expected = law.exponents[scaling.axis]
    words = f"then λ at the same lr would go as {scaling.axis}^{signed(expected)}"
    if isinstance(measured, NotIdentified):
        return f"{words}, of which nothing is identified here."
    interval = measured.interval()
    if isinstance(interval, NotIdentified):
        return f"{words}; how surely it does otherwise is unknown ({interval.reason})."
    return f"{words}: " + ("as measured here." if interval.holds(expected) else "not what is measured here.")


def exponent_text(axis: str, exponent: Estimate | NotIdentified) -> str:
    """``samples^−0.98 (−1.10 … −0.80)``."""
    if isinstance(exponent, NotIdentified):
        return f"not identified ({exponent.reason})"
    return f"{axis}^{signed(exponent.value)} ({span(exponent.interval())})"


def factor_text(shift: Estimate | NotIdentified) -> str:
    """A difference of logarithms as a factor with its interval."""
    if isinstance(shift, NotIdentified):
        return f"not identified ({shift.reason})"
    interval = shift.interval()
    ends = f" ({exp(interval.low):.2g} … {exp(interval.high):.2g})" if isinstance(interval, Interval) else ""
    return f"× {exp(shift.value):.2g}{ends}"


def _value(point: AxisPoint) -> str:
    return f"{point.value:g}" if not isinstance(point.value, str) else point.value
