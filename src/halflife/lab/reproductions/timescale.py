"""Wang & Aitchison's timescale: counted in epochs, the best averaging time of AdamW's weights stays."""

from __future__ import annotations

from ..laws import TIMESCALE as LAW
from .along_axis import along, base, conclude_by_law
from .preset import Condition, Preset, Scale


def conditions(scale: Scale) -> list[Condition]:
    """Along the number of samples, and along the number of epochs."""
    samples = {"smoke": (150, 300, 600), "small": (75, 150, 300, 600), "paper": (5_000, 10_000, 20_000, 40_000)}[scale]
    epochs = {"smoke": (1, 2, 3), "small": (25, 50, 100, 200), "paper": (50, 100, 200)}[scale]
    settings = base(scale, **({"batch_size": 25} if scale == "small" else {}))
    return [*along(settings, "samples", samples), *along(settings, "epochs", epochs)]


TIMESCALE = Preset(
    name="timescale",
    title="Timescale",
    claim="The best averaging time τ = 1/(lr·λ), counted in epochs, stays the same: at the same lr the best λ goes as "
    "1/samples, and does not move with the number of epochs.",
    source=LAW.source,
    deviations="a perceptron on 75 to 600 of scikit-learn's digits, 30 % of their labels redrawn so that decay "
    "matters, for ResNet-18 and vision transformers on CIFAR-10 and ImageNet; at the same lr, where theirs follows μP",
    cost={"smoke": "seconds", "small": "about 10 minutes on 2 cores", "paper": "not measured yet"},
    conditions=conditions,
    conclude=conclude_by_law,
)
