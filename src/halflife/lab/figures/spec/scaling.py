"""The best λ against a third axis: at each learning rate, at the best cell, and as the law has it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...analysis.scaling import Scaling, exponent_text, factor_text, law_factor, near_range
from ...analysis.sentences import signed
from .axes import limits


class ScalingSpec(NamedTuple):
    """One optimizer along one axis of ``ticks``, at ``places``: their numbers, or 0, 1, … for words.

    ``lines`` are the best λ at each learning rate ``lrs``, NaN where none lies inside the grid; ``best`` those of the
    best cells, and ``near`` how far what is near the best there reaches, ``[2, point]``; ``law`` what is published
    would have, through the middle of what was measured, None where nothing is; ``finding`` and ``law_words`` say both.
    """

    title: str
    axis: str
    ticks: tuple[str, ...]
    places: tuple[float, ...]
    is_numeric: bool
    lrs: tuple[float, ...]
    lines: tuple[tuple[float, ...], ...]
    best: tuple[float, ...]
    near: tuple[tuple[float, ...], tuple[float, ...]]
    law: tuple[float, ...] | None
    finding: str
    law_words: str

    @property
    def ends(self) -> tuple[float, float]:
        """Of the axis of λ."""
        parts = [np.ravel(part) for part in (self.lines, self.best, self.near, self.law or ())]
        return limits(np.concatenate(parts))


def scaling_spec(scaling: Scaling) -> ScalingSpec:
    """The panel of one optimizer along one axis."""
    points = scaling.points
    lrs = tuple(sorted({lr for i in range(len(points)) for lr in scaling.best_lams(i)}))
    lines = tuple(tuple(scaling.best_lams(i).get(lr, np.nan) for i in range(len(points))) for lr in lrs)
    near = [near_range(found, found.best[0]) for found in scaling.findings]
    words = [f"{point.value:g}" if not isinstance(point.value, str) else point.value for point in points]
    return ScalingSpec(
        title=scaling.spec.label,
        axis=scaling.axis,
        ticks=tuple(words),
        places=tuple(scaling.values.tolist()) if scaling.is_numeric else tuple(map(float, range(len(points)))),
        is_numeric=scaling.is_numeric,
        lrs=lrs,
        lines=lines,
        best=tuple(found.best_lam for found in scaling.findings),
        near=(tuple(low for low, _ in near), tuple(high for _, high in near)),
        law=_law(scaling, lines),
        finding=_finding(scaling),
        law_words=_law_words(scaling),
    )


def _law(scaling: Scaling, lines: tuple[tuple[float, ...], ...]) -> tuple[float, ...] | None:
    """λ at each point by the law, at the height that fits what was measured."""
    factors = [None if scaling.law is None else law_factor(scaling.law, point) for point in scaling.points]
    known = np.log([factor for factor in factors if factor is not None])
    if len(known) < len(factors):
        return None
    measured = np.log(lines if lines else [[found.best_lam for found in scaling.findings]]) - known
    finite = measured[np.isfinite(measured)]
    return tuple(np.exp(known + np.median(finite)).tolist()) if len(finite) else None


def _finding(scaling: Scaling) -> str:
    if scaling.is_numeric:
        return f"at the same lr λ ∝ {exponent_text(scaling.axis, scaling.exponents.lam_at_lr)}"
    pairs = zip(scaling.points[1:], scaling.shifts, strict=True)
    return f"beside {scaling.points[0].value}: " + ", ".join(f"{p.value} {factor_text(shift)}" for p, shift in pairs)


def _law_words(scaling: Scaling) -> str:
    law = scaling.law
    if law is None:
        return ""
    source = law.source.partition(", http")[0]
    if not scaling.is_numeric:
        return f"{source}: as 1/mean lr"
    return f"{source}: λ ∝ {scaling.axis}^{signed(law.exponents[scaling.axis])}"
