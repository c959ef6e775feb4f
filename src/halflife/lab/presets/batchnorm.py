"""Zhuang et al.: AdamW beats Adam with L2 where there is no BatchNorm, and is on par where there is."""

from __future__ import annotations

from ..result import Result
from ..settings import Settings
from .preset import Arm, Conclusion, Preset, Scale, cell, percent

OPTIMIZERS = ("adam-l2", "adamw-paper")
LAMS = (1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2)
LRS = (5e-5, 1e-4, 5e-4, 1e-3, 5e-3)


def arms(scale: Scale) -> list[Arm]:
    """The studies of a scale."""
    return [Arm("without BatchNorm", _settings(scale, "-no-bn")), Arm("with BatchNorm", _settings(scale, ""))]


def _settings(scale: Scale, suffix: str) -> Settings:
    if scale == "paper":
        model = f"resnet{'110' if not suffix else '20'}{suffix}"
        return Settings("cifar10", model, OPTIMIZERS, LRS, LAMS, 1, 300, 128, "constant")
    if scale == "small":
        lrs, lams = (1e-3, 3e-3, 1e-2), (1e-4, 1e-3, 1e-2)
        return Settings("cifar10-tiny", f"resnet8-narrow{suffix}", OPTIMIZERS, lrs, lams, 2, 12, 100, "constant")
    return Settings("cifar10-tiny", f"resnet8-narrow{suffix}", OPTIMIZERS, (3e-3,), (1e-3,), 1, 1, 100, "constant")


def conclude(results: list[Result]) -> Conclusion:
    """By how much AdamW's best is better, and whether the seeds agree on the sign."""
    gains = [_gain(result) for result in results]
    figures = [
        (f"{result.title}: {found.contender.label}", f"{cell(found)}; test {percent(found.test_error.mean)}")
        for result in results
        for found in result.findings
    ]
    without, with_bn = gains
    sentence = (
        f"AdamW's best validation error is {100 * without:+.1f} points below Adam-L2's without BatchNorm and "
        f"{100 * with_bn:+.1f} points with it."
    )
    seeds = results[0].settings.seeds
    holds = None if seeds < 2 else without > 0 and abs(with_bn) < max(0.01, without)
    return Conclusion(holds, sentence, tuple(figures))


def _gain(result: Result) -> float:
    l2, adamw = (result.found(name).val_error.mean for name in OPTIMIZERS)
    return l2 - adamw


BATCHNORM = Preset(
    name="batchnorm",
    title="BatchNorm",
    claim="Without BatchNorm AdamW generalizes better than Adam with L2; with BatchNorm the two are on par.",
    source="Zhuang, Liu, Cutkosky & Orabona 2022, Understanding AdamW through Proximal Methods and Scale-Freeness, §4",
    deviations="a ResNet-8 of width 8 on 2,000 CIFAR-10 images of 16×16 pixels for ResNet-20 to 218 on CIFAR-10, 12 "
    "epochs for 300, a 3 × 3 grid; at paper scale ResNet-20 without and ResNet-110 with BatchNorm",
    cost={"smoke": "seconds", "small": "about 8 minutes on 2 cores", "paper": "about 10 GPU-days on an H100"},
    arms=arms,
    conclude=conclude,
)
