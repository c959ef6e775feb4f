"""The best λ against the batch: proportional to it by the timescale law."""

from __future__ import annotations

from ..laws import TIMESCALE as LAW
from .along_axis import along, base, conclude_by_law
from .preset import Condition, Preset, Scale


def conditions(scale: Scale) -> list[Condition]:
    """As many epochs for each batch."""
    sizes = {"smoke": (25, 50, 100), "small": (25, 50, 100, 200), "paper": (64, 128, 256, 512)}[scale]
    return along(base(scale), "batch-size", sizes)


BATCH_SIZE = Preset(
    name="batch-size",
    title="Batch size",
    claim="At the same lr and as many epochs the best λ grows in proportion to the batch.",
    source=f"Bergsma et al. 2025, https://arxiv.org/abs/2505.13738, after {LAW.source}",
    deviations="a perceptron on 600 of scikit-learn's digits for 100 epochs, where theirs are language models that see "
    "each token once",
    cost={"smoke": "seconds", "small": "about 5 minutes on 2 cores", "paper": "not measured yet"},
    conditions=conditions,
    conclude=conclude_by_law,
)
