"""Loshchilov & Hutter's network and its normalized decay: AdamW generalizes better than Adam."""

from __future__ import annotations

from ..config.settings import Settings
from ..result import Result
from .preset import Conclusion, Condition, Preset, Scale, cell, percent

OPTIMIZERS = ("adam-l2", "adamw-paper")


def conditions(scale: Scale) -> list[Condition]:
    """The studies of a scale."""
    return [Condition("Shake-Shake", _settings(scale))]


def _settings(scale: Scale) -> Settings:
    if scale == "paper":
        lrs, lams = (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3), (1.25e-6, 2.5e-6, 5e-6, 1e-5, 2e-5)
        return Settings("cifar10", "shake-shake-26-2x96d", OPTIMIZERS, lrs, lams, 2, 1800, 128, "cosine", curves=True)
    model = "shake-shake-14-2x8d"
    if scale == "small":
        return Settings(
            "cifar10-tiny", model, OPTIMIZERS, (1e-3, 3e-3), (1e-4, 1e-3), 2, 10, 100, "cosine", curves=True
        )
    return Settings("cifar10-tiny", model, OPTIMIZERS, (1e-3,), (1e-3,), 1, 1, 100, "cosine", curves=True)


def conclude(results: list[Result]) -> Conclusion:
    """The test error of both at the cell that validation chose."""
    (result,) = results
    l2, adamw = (result.found(name) for name in OPTIMIZERS)
    figures = [(f.spec.label, f"{cell(f)}; test {percent(f.test_error.mean)}") for f in (l2, adamw)]
    gain = 1 - adamw.test_error.mean / l2.test_error.mean
    side = "below" if gain > 0 else "above"
    sentence = (
        f"AdamW's test error is {100 * abs(gain):.0f} % {side} Adam-L2's ({percent(adamw.test_error.mean)} against "
    )
    sentence += f"{percent(l2.test_error.mean)}); published: 15 %."
    return Conclusion(None if result.settings.epochs < 100 else gain > 0.05, sentence, tuple(figures))


SHAKE_SHAKE = Preset(
    name="shake-shake",
    title="Shake-Shake",
    claim="On a 26-layer Shake-Shake network AdamW has a 15 % lower relative test error than Adam with L2.",
    source="Loshchilov & Hutter 2019, §4.4",
    deviations="14 layers of width 8 on 2,000 CIFAR-10 images of 16×16 pixels, 10 epochs for 1,800: it shows that the "
    "setting runs, and cannot say whether the claim holds",
    cost={"smoke": "seconds", "small": "about 3 minutes on 2 cores", "paper": "about 150 GPU-days on an H100"},
    conditions=conditions,
    conclude=conclude,
)
