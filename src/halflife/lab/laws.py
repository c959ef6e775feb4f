"""What is published of the best λ, as exponents and factors to set measurements beside: each law once, with its source.

λ is here the one of a decoupled decay, w ← (1 − lr·λ)w − …, or of the paper's form: where lr stays, both move alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean

from .config.optimizers import OptimizerSpec
from .training.schedules import SCHEDULES


@dataclass(frozen=True)
class Law:
    """``exponents``: λ* ∝ a^p along an axis a at the same lr, p by the axis's name; ``factors``: λ* by a word.

    ``here`` is what our own studies of it came to.
    """

    name: str
    statement: str
    equation: str
    source: str
    here: str = ""
    exponents: Mapping[str, float] = field(default_factory=dict[str, float])
    factors: Mapping[str, float] = field(default_factory=dict[str, float])


MEAN_RATE = {name: fmean(η(k / 10_000) for k in range(10_000)) for name, η in SCHEDULES.items()}
"""The mean of η over a training, by schedule."""

TIMESCALE = Law(
    "timescale",
    "the best averaging time, in epochs, stays the same over batch, model and data size",
    "τ = 1/(lr·λ) steps, and τ_epochs = τ·batch/samples is constant",
    "Wang & Aitchison 2025, https://arxiv.org/abs/2405.13698",
    exponents={"batch-size": 1.0, "samples": -1.0, "epochs": 0.0, "width": 0.0, "depth": 0.0},
    factors={name: 1 / mean for name, mean in MEAN_RATE.items()},
    here="on digits the best λ goes as batch-size^+0.23 and samples^−0.13 at the same lr, and as epochs^+0.21: there "
    "the law does not hold (`halflife study timescale` and `batch-size`)",
)
"""The factors take its lr for the mean over the schedule."""

TOKENS = Law(
    "tokens per parameter",
    "in language models trained on each token once, the averaging time as a share of the training falls with the "
    "tokens per parameter",
    "batch/(lr·λ·tokens) = 1.084·(tokens/parameters)^−0.527",
    "Bergsma et al. 2025, https://arxiv.org/abs/2505.13738",
)
TOKENS_CONSTANT, TOKENS_EXPONENT = 1.084, -0.527

SCARCE = Law(
    "scarce data",
    "with little data and many epochs the best λ is up to 30 times the usual one",
    "λ* up to 30·λ_usual",
    "Kim et al. 2025, https://arxiv.org/abs/2509.14786",
    here="on digits, with as many steps, the best λ goes as samples^−0.52 (`halflife study scarce-data`)",
)
SCARCE_FACTOR = 30.0

SECOND_MOMENT = Law(
    "second moment's half-life",
    "the half-life of β₂ is held fixed in samples, or tokens, when the batch changes",
    "β₂ → β₂^(batch/batch₀)",
    "Marek et al. 2025, https://arxiv.org/abs/2507.07101",
)


def law_along(axis: str, spec: OptimizerSpec) -> Law | None:
    """The one that says how the best λ of an optimizer moves along this axis; None where none does.

    They speak of decays that shrink the weights by themselves: not of L2 in the gradient.
    """
    if spec.multiplier not in ("lr", "schedule"):
        return None
    return TIMESCALE if axis in TIMESCALE.exponents or axis == "schedule" else None
