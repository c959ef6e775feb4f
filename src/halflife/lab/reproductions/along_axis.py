"""What the presets along a third axis share: their studies, and a conclusion from exponents and factors of λ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log
from typing import Any

from ..analysis.scaling import Scaling, exponent_text, law_factor, scalings
from ..analysis.sentences import signed
from ..config.axis import AxisPoint, Value, at
from ..config.settings import Settings
from ..inference import Estimate, NotIdentified
from ..result import Result
from .preset import Conclusion, Condition, Scale

OPTIMIZERS = ("adamw-torch",)
LRS = (1e-3, 2.3e-3, 5e-3, 1.1e-2, 2.3e-2, 5e-2)
LAMS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
HALF_WIDTH = 0.35
"""An exponent is known if its 90 % interval reaches no farther: by then −1, 0 and 1 are told apart."""


SCALED: dict[Scale, dict[str, Any]] = {
    "smoke": {"seeds": 1, "epochs": 1, "batch_size": 25, "lrs": (1e-3, 1e-2), "lams": (1e-2, 1e-1, 1.0)},
    "small": {"lrs": LRS, "lams": LAMS, "seeds": 8},
    "paper": {
        "problem": "cifar10",
        "model": "resnet20",
        "seeds": 3,
        "batch_size": 128,
        "lrs": (5e-4, 1e-3, 2e-3, 4e-3),
        "lams": (1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0),
    },
}


def base(scale: Scale, **more: Any) -> Settings:
    """The study of which one thing varies."""
    return Settings(optimizers=OPTIMIZERS, **{**SCALED[scale], **more})


def along(settings: Settings, name: str, values: Sequence[Value], title: str = "{}") -> list[Condition]:
    """A study for each value."""
    points = [AxisPoint(name, value) for value in values]
    return [Condition(title.format(point), at(settings, point), point) for point in points]


def equal_steps(settings: Settings, name: str, values: Sequence[int], longest: int) -> list[Condition]:
    """A study for each number of samples, all of as many steps as the fewest have in ``longest`` epochs."""
    fewest = min(values)
    studies = along(settings, name, values)
    return [
        replace(one, settings=replace(one.settings, epochs=max(1, longest * fewest // value)))
        for one, value in zip(studies, values, strict=True)
    ]


def figures(found: Sequence[Scaling]) -> tuple[tuple[str, str], ...]:
    """The best cells, and what moves along each axis."""
    rows = list[tuple[str, str]]()
    for scaling in found:
        for point, one in zip(scaling.points, scaling.findings, strict=True):
            near = scaling.near_best_lams(point)
            rows.append((f"{point}", f"best lr {one.best_lr:g}, λ {one.best_lam:g}; near the best λ {near}"))
        if scaling.is_numeric:
            at_lr, lr, lam = scaling.exponents
            rows.append((f"λ at the same lr, along {scaling.axis}", exponent_text(scaling.axis, at_lr)))
            rows.append(
                (
                    f"lr and λ of the best cell, along {scaling.axis}",
                    " and ".join(exponent_text(scaling.axis, one) for one in (lr, lam)),
                )
            )
        for one in scaling.leave_one_out():
            verdict = "inside" if one.holds else "outside"
            rows.append(
                (
                    f"{one.point}, from the others by the law",
                    f"λ {one.lam:.2g} at lr {one.lr:g}, {verdict} {one.low:.2g} … {one.high:.2g}, near the best there",
                )
            )
    return tuple(rows)


def judged(exponent: Estimate | NotIdentified, expected: float) -> bool | None:
    """Whether the exponent is the expected one; None where that is not known well enough."""
    if isinstance(exponent, NotIdentified):
        return None
    interval = exponent.interval()
    if isinstance(interval, NotIdentified):
        return None
    if not interval.holds(expected):
        return False
    return True if (interval.high - interval.low) / 2 <= HALF_WIDTH else None


def conclude_by_law(results: list[Result]) -> Conclusion:
    """Whether λ at the same lr goes along each axis as the timescale law says."""
    found = scalings(results)
    verdicts, sentences = list[bool | None](), list[str]()
    for scaling in found:
        if scaling.law is None:
            continue
        expected = scaling.law.exponents[scaling.axis]
        verdicts.append(judged(scaling.exponents.lam_at_lr, expected))
        measured = exponent_text(scaling.axis, scaling.exponents.lam_at_lr)
        told = scaling.leave_one_out()
        inside = (
            f"; told from the others by the law, {sum(one.holds for one in told)} of {len(told)} points are near best"
        )
        sentences.append(
            f"Along {scaling.axis} the best λ at the same lr: {measured}; by the law {scaling.axis}^{signed(expected)}"
            f"{inside if told else ''}."
        )
    whole = None if not verdicts or None in verdicts else all(verdicts)
    holds = False if False in verdicts else whole
    return Conclusion(holds, " ".join(sentences) or "Nothing is identified.", figures(found))


def expected_factors(scaling: Scaling) -> Mapping[str, float]:
    """By the law, beside the first point."""
    if scaling.law is None:
        return {}
    factors = {str(point.value): law_factor(scaling.law, point) for point in scaling.points}
    first = factors[str(scaling.points[0].value)] or 1.0
    return {name: factor / first for name, factor in factors.items() if factor is not None}


def holds_factor(shift: Estimate | NotIdentified, expected: float) -> bool | None:
    """Whether a factor is the expected one; None where its interval is wider than a factor of 2 to either side."""
    if isinstance(shift, NotIdentified) or isinstance(interval := shift.interval(), NotIdentified):
        return None
    if not interval.holds(log(expected)):
        return False
    return True if (interval.high - interval.low) / 2 <= log(2) else None
