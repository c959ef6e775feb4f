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
from ..inference import Estimate, NotIdentified
from ..inference.intervals import Array
from ..inference.scaling import POINTS_NEEDED, Exponents, exponents
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
        first, why = self.findings[0], ""
        seeds = sorted(set.intersection(*(set(found.complete) for found in self.findings)))
        if not self.is_numeric:
            why = f"{self.axis} has words, and no exponent"
        elif len(self.points) < POINTS_NEEDED:
            why = f"{len(self.points)} points on the axis; {POINTS_NEEDED} are needed"
        elif any((found.lrs, found.lams) != (first.lrs, first.lams) for found in self.findings):
            why = "the points have not the same lrs and λ"
        elif not seeds:
            why = "no seed has run the whole grid at every point"
        if why:
            return Exponents(*(NotIdentified(why) for _ in Exponents._fields))
        errors = np.stack([found.val[seeds] for found in self.findings], 1)
        above = errors[errors > 0]
        errors = np.maximum(errors, above.min() / 2 if above.size else 1.0)
        return exponents(self.values, np.array(first.lrs), np.array(first.lams), errors)

    def best_lams(self, point: int) -> dict[float, float]:
        """λ* of each learning rate that has one inside the grid, at this point of the axis."""
        found = self.findings[point]
        return {found.lrs[vertex.cell[0]]: exp(vertex.z) for vertex in found.coupling.ridge}

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
    """Of each optimizer that all points of an axis have; none where these are not the points of one axis."""
    there = [(result.point, result) for result in results if result.point is not None]
    if len(there) < 2 or len({point.name for point, _ in there}) > 1:
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
        lines.append(
            f"{label}, along {axis}: at the same lr the best λ goes as {_power(axis, at_lr)}; of the best cell lr goes "
            f"as {_power(axis, lr)} and λ as {_power(axis, lam)}."
        )
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


def _power(axis: str, exponent: Estimate | NotIdentified) -> str:
    if isinstance(exponent, NotIdentified):
        return f"a power that is not identified ({exponent.reason})"
    return f"{axis}^{signed(exponent.value)} ({span(exponent.interval())})"


def _value(point: AxisPoint) -> str:
    return f"{point.value:g}" if not isinstance(point.value, str) else point.value
