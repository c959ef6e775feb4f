"""Loshchilov & Hutter's Figure 2: with decoupled decay, lr and λ can be tuned apart."""

from __future__ import annotations

from ..findings import Findings
from ..result import Result
from ..settings import Settings
from ..statistics import NotIdentified
from ..statistics.words import plain, signed, span
from .preset import Arm, Conclusion, Preset, Scale

OPTIMIZERS = ("sgd-l2", "sgdw", "adam-l2", "adamw-paper", "adamw-torch")
SCHEDULES = {"constant": "constant lr", "drops": "drops at 30, 60 and 80 %", "cosine": "cosine"}


def arms(scale: Scale) -> list[Arm]:
    """The studies of a scale."""
    return [Arm(title, _settings(scale, schedule)) for schedule, title in _schedules(scale).items()]


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
    figures: list[tuple[str, str]] = []
    wins, pairs = 0, 0
    for result in results:
        price = {found.contender.name: found.regret for found in result.findings}
        figures += [(f"{result.title}: {found.contender.label}", _figures(found)) for found in result.findings]
        for decoupled, l2 in (("sgdw", "sgd-l2"), ("adamw-paper", "adam-l2")):
            ours, theirs = price[decoupled], price[l2]
            if not isinstance(ours, NotIdentified) and not isinstance(theirs, NotIdentified):
                pairs, wins = pairs + 1, wins + (ours.separate.value < theirs.separate.value)
    if not pairs:
        return Conclusion(None, "One seed gives no regret, so these runs cannot say.", tuple(figures))
    sentence = f"Tuning lr and λ apart costs less with decoupled decay than with L2 in {wins} of {pairs} comparisons."
    return Conclusion(True if wins == pairs else False if wins <= pairs / 2 else None, sentence, tuple(figures))


def _figures(found: Findings) -> str:
    κ, price = found.kappa, found.regret
    coupling = "κ not identified" if isinstance(κ, NotIdentified) else f"κ {signed(κ.value)} ({span(κ.interval())})"
    if isinstance(price, NotIdentified):
        return coupling
    return f"{coupling}; tuning apart costs {plain(100 * price.separate.value, 1)} points"


DECOUPLING = Preset(
    name="decoupling",
    title="Decoupling",
    claim="With L2 the best λ depends on lr (a diagonal basin), with decoupled decay much less, under every schedule.",
    source="Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization, Figures 1 and 2",
    deviations="a perceptron on 1,000 Fashion-MNIST images of 14×14 pixels, 30 % of their labels redrawn so that decay "
    "matters, for the Shake-Shake network on CIFAR-10; 40 epochs for 100, a 6 × 7 grid",
    cost={
        "smoke": "seconds",
        "small": "about 5 minutes on 2 cores",
        "paper": "about 11 GPU-days on an H100 a schedule",
    },
    arms=arms,
    conclude=conclude,
)
