"""Zhuang et al.: AdamW is ProxAdam to first order, so the two score alike wherever ηλ is small."""

from __future__ import annotations

import numpy as np

from ..config.settings import Settings
from ..result import Result
from .preset import Conclusion, Condition, Preset, Scale, cell

OPTIMIZERS = ("adamw-paper", "prox-adam")


def conditions(scale: Scale) -> list[Condition]:
    """The studies of a scale."""
    return [Condition("AdamW and ProxAdam", _settings(scale))]


def _settings(scale: Scale) -> Settings:
    if scale == "paper":
        lrs, lams = (5e-5, 1e-4, 5e-4, 1e-3, 5e-3), (1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2)
        return Settings("cifar10", "resnet20-no-bn", OPTIMIZERS, lrs, lams, 3, 300, 128, "constant", curves=True)
    if scale == "small":
        lrs, lams = (3e-4, 1e-3, 3e-3, 1e-2), (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
        return Settings("fashion-mnist-small", "mlp", OPTIMIZERS, lrs, lams, 4, 15, 100, "constant", curves=True)
    return Settings("digits", "mlp", OPTIMIZERS, (1e-2,), (1e-3, 1e-1), 2, 2, curves=True)


def conclude(results: list[Result]) -> Conclusion:
    """Their difference, seed by seed in the same cell, beside what another seed makes of one optimizer."""
    (result,) = results
    adamw, prox = (result.found(name) for name in OPTIMIZERS)
    difference = abs(adamw.val - prox.val).mean((0, 1))
    noise = float(adamw.val.std(0, ddof=1).mean()) if result.settings.seeds > 1 else float("nan")
    figures = [(f"λ = {lam:g}", f"{100 * d:.2f} points apart") for lam, d in zip(adamw.lams, difference, strict=True)]
    figures += [("another seed", f"{100 * noise:.2f} points"), *((f.spec.label, cell(f)) for f in (adamw, prox))]
    small = np.array(adamw.lams) <= 1e-2
    apart = float(difference[small].mean())
    sentence = (
        f"For λ up to 0.01 the two differ by {100 * apart:.2f} points in the same cell under the same seed; "
        f"one optimizer under another seed by {100 * noise:.2f} points."
    )
    return Conclusion(None if np.isnan(noise) else apart < noise, sentence, tuple(figures))


ADAMW_VS_PROXADAM = Preset(
    name="adamw-vs-proxadam",
    title="AdamW against ProxAdam",
    claim="AdamW is a first-order approximation of ProxAdam, and the two generalize alike.",
    source="Zhuang et al. 2022, §3 and Figure 3; Decay No More (2023)",
    deviations="a perceptron on 5,000 Fashion-MNIST images of 14×14 pixels for ResNets on CIFAR-10, 15 epochs for 300",
    cost={"smoke": "seconds", "small": "about 1 minute on 2 cores", "paper": "about 10 GPU-days on an H100"},
    conditions=conditions,
    conclude=conclude,
)
