"""The best λ under three schedules of the learning rate."""

from __future__ import annotations

from ..analysis.scaling import factor_text, scalings
from ..laws import TIMESCALE as LAW
from ..result import Result
from .along_axis import along, base, expected_factors, figures, holds_factor
from .preset import Conclusion, Condition, Preset, Scale


def conditions(scale: Scale) -> list[Condition]:
    """The same study under each."""
    return along(base(scale), "schedule", ("constant", "cosine", "drops"))


def conclude(results: list[Result]) -> Conclusion:
    """Whether λ* at the same lr is larger by as much as the mean lr is smaller."""
    found = scalings(results)
    if not found:
        return Conclusion(None, "Nothing is identified.", ())
    scaling = found[0]
    expected, first = expected_factors(scaling), scaling.points[0].value
    rows = list(zip(scaling.points[1:], scaling.shifts, strict=True))
    by_law = {point: f"by the law × {expected[str(point.value)]:.2g}" for point, _ in rows}
    parts = [f"under {point.value} {factor_text(shift)}, {by_law[point]}" for point, shift in rows]
    verdicts = [holds_factor(shift, expected[str(point.value)]) for point, shift in rows]
    holds = False if False in verdicts else None if None in verdicts else True
    sentence = f"At the same lr the best λ is, beside the {first} one's, {'; '.join(parts)}."
    return Conclusion(holds, sentence, figures(found))


SCHEDULE = Preset(
    name="schedule",
    title="Schedule",
    claim="At the same peak lr the best λ is larger by as much as the mean lr over the schedule is smaller.",
    source=f"{LAW.source}: the timescale with the mean lr in it",
    deviations="a perceptron on 600 of scikit-learn's digits; the source does not vary the schedule: this is what its "
    "law implies",
    cost={"smoke": "seconds", "small": "about 3 minutes on 2 cores", "paper": "not measured yet"},
    conditions=conditions,
    conclude=conclude,
)
