"""Loshchilov & Hutter's Figure 2, and its claim put to the test: with decoupled decay lr and λ can be tuned apart."""

from __future__ import annotations

from math import isfinite, nan
from statistics import fmean

from ..analysis import Findings
from ..config.optimizers import OPTIMIZER_SPECS
from ..config.settings import Settings
from ..inference import NotIdentified
from ..result import Result
from ..units import plain
from .preset import Conclusion, Condition, Preset, Scale, coupling

OPTIMIZERS = ("sgd-l2", "sgdw", "adam-l2", "adamw-paper", "adamw-torch")
PAIRS = (("sgdw", "sgd-l2"), ("adamw-paper", "adam-l2"))
SCHEDULES = {"constant": "constant lr", "drops": "drops at 30, 60 and 80 %", "cosine": "cosine"}


def conditions(scale: Scale) -> list[Condition]:
    """The studies of a scale."""
    return [Condition(title, _settings(scale, schedule)) for schedule, title in _schedules(scale).items()]


def _schedules(scale: Scale) -> dict[str, str]:
    return {"cosine": SCHEDULES["cosine"]} if scale == "smoke" else SCHEDULES


def _settings(scale: Scale, schedule: str) -> Settings:
    if scale == "paper":
        lrs = tuple(1e-3 * 2.0**k for k in range(-5, 6))
        return Settings(
            "cifar10", "shake-shake-26-2x64d", OPTIMIZERS, lrs, seeds=2, epochs=100, batch_size=128, schedule=schedule
        )
    if scale == "small":
        lrs = (5e-4, 1.5e-3, 5e-3, 1.5e-2, 5e-2, 1.5e-1)
        return Settings(
            "fashion-mnist-noisy", "mlp", OPTIMIZERS, lrs, seeds=4, epochs=40, batch_size=50, schedule=schedule
        )
    return Settings("digits", "mlp", OPTIMIZERS, (1e-3, 1e-2), (1e-3, 1e-1), seeds=1, epochs=2, schedule=schedule)


def conclude(results: list[Result]) -> Conclusion:
    """Decoupling holds where tuning apart costs less for the decoupled forms than for L2, under the same schedule."""
    found = [(result.title, one) for result in results for one in result.findings]
    figures = tuple((f"{title}: {one.spec.label}", _figures(one)) for title, one in found)
    prices = {name: [_price(result.found(name)) for result in results] for name in OPTIMIZERS}
    pairs = [pair for names in PAIRS for pair in zip(*(prices[name] for name in names), strict=True)]
    pairs = [(ours, theirs) for ours, theirs in pairs if isfinite(ours) and isfinite(theirs)]
    if not pairs:
        return Conclusion(None, "One seed gives no regret, so these runs cannot say.", figures)
    wins = sum(ours < theirs for ours, theirs in pairs)
    average = [f"{plain(fmean(prices[name]), 1)} with {OPTIMIZER_SPECS[name].label}" for name in OPTIMIZERS]
    sentence = (
        f"Tuning lr and λ apart costs less with decoupled decay than with L2 in {wins} of {len(pairs)} comparisons; in "
        f"points of error, on average, {', '.join(average)}."
    )
    return Conclusion(True if wins == len(pairs) else False if wins <= len(pairs) / 2 else None, sentence, figures)


def _price(found: Findings) -> float:
    """Of two line searches in the place of a grid, in points; NaN where it is not known."""
    return nan if isinstance(found.regret, NotIdentified) else 100 * found.regret.separate.value


def _figures(found: Findings) -> str:
    price = _price(found)
    return coupling(found) + (f"; tuning apart costs {plain(price, 1)} points" if isfinite(price) else "")


DECOUPLING = Preset(
    name="decoupling",
    title="Decoupling",
    claim="With L2 the best λ depends on lr (a diagonal basin), with decoupled decay much less, under every schedule.",
    source="Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization, Figures 1 and 2",
    deviations="a perceptron on 1,000 Fashion-MNIST images of 14×14 pixels, 30 % of their labels redrawn so that decay "
    "matters, for the Shake-Shake network on CIFAR-10; 40 epochs for 100, a 6 × 7 grid",
    cost={
        "smoke": "seconds",
        "small": "about 4 minutes on 2 cores",
        "paper": "about 11 GPU-days on an H100 a schedule",
    },
    conditions=conditions,
    conclude=conclude,
)
