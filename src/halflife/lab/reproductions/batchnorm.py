"""Zhuang et al.: AdamW beats Adam with L2 where there is no BatchNorm, and is on par where there is."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite, nan

from ..config.settings import Settings
from ..config.user_code import OwnTraining
from ..figures import Picture, draw_magnitudes, magnitudes_spec, recipe_words
from ..result import Result
from ..training import Training
from ..training.magnitudes import record_magnitudes
from .preset import Conclusion, Condition, Preset, Scale, cell, percent

OPTIMIZERS = ("adam-l2", "adamw-paper")
LAMS = (1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2)
LRS = (5e-5, 1e-4, 5e-4, 1e-3, 5e-3)


def conditions(scale: Scale) -> list[Condition]:
    """The studies of a scale."""
    return [
        Condition("without BatchNorm", _settings(scale, "-no-bn")),
        Condition("with BatchNorm", _settings(scale, "")),
    ]


def _settings(scale: Scale, suffix: str) -> Settings:
    if scale == "paper":
        model = f"resnet{'110' if not suffix else '20'}{suffix}"
        return Settings("cifar10", model, OPTIMIZERS, LRS, LAMS, 3, 300, 128, "constant")
    if scale == "small":
        lrs, lams = (1e-3, 3e-3, 1e-2), (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
        return Settings("fashion-mnist-noisy", f"resnet8-narrow{suffix}", OPTIMIZERS, lrs, lams, 3, 40, 50, "constant")
    return Settings("cifar10-tiny", f"resnet8-narrow{suffix}", OPTIMIZERS, (3e-3,), (1e-3,), 1, 1, 100, "constant")


def conclude(results: list[Result]) -> Conclusion:
    """By how much AdamW's best is better, beside the standard error of that over paired seeds."""
    figures = [
        (f"{result.title}: {found.spec.label}", f"{cell(found)}; test {percent(found.test_error.mean)}")
        for result in results
        for found in result.findings
    ]
    (without, error), (with_bn, with_error) = (_gain(result) for result in results)
    sentence = (
        f"AdamW's best validation error is {_better(without, error)} without BatchNorm and "
        f"{_better(with_bn, with_error)} with it."
    )
    return Conclusion(_holds(without, error, with_bn, with_error), sentence, tuple(figures))


def _gain(result: Result) -> tuple[float, float]:
    """How far AdamW's best cell lies below Adam-L2's, mean over the seeds, and its standard error."""
    l2, adamw = (found.val[:, found.best[0], found.best[1]] for found in map(result.found, OPTIMIZERS))
    gains = l2 - adamw
    return float(gains.mean()), float(gains.std(ddof=1) / len(gains) ** 0.5) if len(gains) > 1 else nan


def _better(gain: float, error: float) -> str:
    spread = f" ± {100 * error:.1f}" if isfinite(error) else ""
    return f"{100 * abs(gain):.1f}{spread} points {'below' if gain > 0 else 'above'} Adam-L2's"


def _holds(without: float, error: float, with_bn: float, with_error: float) -> bool | None:
    """Two standard errors tell a difference from luck."""
    if not isfinite(error) or abs(without) < 2 * error:
        return None
    return without > 0 and abs(with_bn) < max(without / 2, 2 * with_error)


def draw(results: list[Result], trainings: list[Training | OwnTraining]) -> Iterator[Picture]:
    """Over how many octaves gradients, updates and weights spread, each optimizer at its best cell."""
    for index, (result, training) in enumerate(zip(results, trainings, strict=True), 1):
        if isinstance(training, OwnTraining):
            continue
        last = result.settings.epochs
        epochs = sorted({1, (last + 1) // 2, last})
        recorded = [
            record_magnitudes(training, found.spec, found.best_lr, found.best_lam, epochs=epochs)
            for found in map(result.found, OPTIMIZERS)
        ]
        figure = draw_magnitudes(magnitudes_spec(recorded), f"{result.title}. {recipe_words(result)}")
        yield Picture(f"magnitudes-{index}", f"Magnitudes: {result.title}", figure)


BATCHNORM = Preset(
    name="batchnorm",
    title="BatchNorm",
    claim="Without BatchNorm AdamW generalizes better than Adam with L2; with BatchNorm the two are on par.",
    source="Zhuang, Liu, Cutkosky & Orabona 2022, Understanding AdamW through Proximal Methods and Scale-Freeness, §4",
    deviations="a ResNet-8 of width 8 on 1,000 Fashion-MNIST images of 14×14 pixels, 30 % of their labels redrawn so "
    "that decay matters, for ResNet-20 to 218 on CIFAR-10; 40 epochs for 300, a 3 × 6 grid; at paper scale ResNet-20 "
    "without and ResNet-110 with BatchNorm",
    cost={"smoke": "seconds", "small": "about 10 minutes on 2 cores", "paper": "about 30 GPU-days on an H100"},
    conditions=conditions,
    conclude=conclude,
    draw=draw,
)
