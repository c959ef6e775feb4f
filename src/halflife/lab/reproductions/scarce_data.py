"""Little data, seen often: the best λ is far above the usual one."""

from __future__ import annotations

from ..analysis.scaling import exponent_text, factor_text, scalings
from ..inference import NotIdentified
from ..laws import SCARCE, SCARCE_FACTOR
from ..result import Result
from .along_axis import base, equal_steps, figures
from .preset import Conclusion, Condition, Preset, Scale


def conditions(scale: Scale) -> list[Condition]:
    """As many steps for each number of samples."""
    samples = {"smoke": (150, 300, 600), "small": (75, 150, 300, 600), "paper": (5_000, 10_000, 20_000, 40_000)}[scale]
    longest = {"smoke": 4, "small": 400, "paper": 400}[scale]
    settings = base(scale, **({"batch_size": 25} if scale == "small" else {}))
    return equal_steps(settings, "samples", samples, longest)


def conclude(results: list[Result]) -> Conclusion:
    """Whether λ* surely falls with the number of samples; the factor between the ends is said."""
    found = scalings(results)
    if not found:
        return Conclusion(None, "Nothing is identified.", ())
    scaling = found[0]
    exponent, shift = scaling.exponents.lam_at_lr, scaling.shifts[-1]
    interval = exponent if isinstance(exponent, NotIdentified) else exponent.interval()
    holds = None if isinstance(interval, NotIdentified) or interval.holds(0.0) else interval.high < 0
    ends = f"from {scaling.points[0].value} to {scaling.points[-1].value} samples"
    sentence = (
        f"With as many steps, the best λ at the same lr: {exponent_text(scaling.axis, exponent)}; {ends} "
        f"{factor_text(shift)}. The published factor is up to {SCARCE_FACTOR:g}, between one epoch and many."
    )
    return Conclusion(holds, sentence, figures(found))


SCARCE_DATA = Preset(
    name="scarce-data",
    title="Scarce data",
    claim="The fewer the samples, and the more often each is seen, the larger the best λ.",
    source=SCARCE.source,
    deviations="a perceptron on 75 to 600 of scikit-learn's digits, the same number of steps for all, where theirs are "
    "language models of up to 1.4 billion parameters on 200 million tokens",
    cost={"smoke": "seconds", "small": "about 5 minutes on 2 cores", "paper": "not measured yet"},
    conditions=conditions,
    conclude=conclude,
)
