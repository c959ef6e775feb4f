"""Zhuang et al.: multiply the loss by c, and AdamW keeps its (lr, λ), for its update does not see c."""

from __future__ import annotations

from ..config.settings import Settings
from ..result import Result
from .preset import Conclusion, Condition, Preset, Scale

OPTIMIZERS = ("adam-l2", "adamw-paper", "prox-adam", "adam-p")
FREE = ("adamw-paper", "prox-adam")
FACTORS = (1.0, 10.0, 100.0)
EPS = 1e-30
"""In place of 0, which divides 0 by 0 where a gradient has always been 0, as of a pixel that is always black."""
TOLERANCE = 0.01
"""Of the error, mean over the grid: powers of ten are not exact in binary, and training amplifies the rounding."""


def conditions(scale: Scale) -> list[Condition]:
    """The studies of a scale."""
    return [Condition(f"loss × {factor:g}", _settings(scale, factor)) for factor in FACTORS]


def _settings(scale: Scale, factor: float) -> Settings:
    if scale == "paper":
        lrs, lams = (5e-5, 1e-4, 5e-4, 1e-3, 5e-3), (1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2)
        return Settings(
            "cifar10", "resnet110-no-bn", OPTIMIZERS, lrs, lams, 1, 300, 128, "constant", loss_scale=factor, eps=EPS
        )
    if scale == "small":
        lrs, lams = (3e-4, 1e-3, 3e-3, 1e-2), (1e-5, 1e-4, 1e-3, 1e-2)
        return Settings(
            "fashion-mnist-small", "mlp", OPTIMIZERS, lrs, lams, 2, 10, 100, "constant", loss_scale=factor, eps=EPS
        )
    return Settings("digits", "mlp", OPTIMIZERS, (1e-2,), (1e-2,), 1, 1, loss_scale=factor, eps=EPS)


def conclude(results: list[Result]) -> Conclusion:
    """How far the grid of errors moves when the loss is multiplied, mean over its cells."""
    first, *others = results
    figures: list[tuple[str, str]] = []
    moved: dict[str, float] = {}
    for name in OPTIMIZERS:
        base = first.found(name)
        shifts = [float(abs(other.found(name).val - base.val).mean()) for other in others]
        moved[name] = max(shifts)
        cells = " · ".join(f"lr {r.found(name).best_lr:g}, λ {r.found(name).best_lam:g}" for r in results)
        shift = ", ".join(f"{100 * shift:.2f} points under {r.title}" for shift, r in zip(shifts, others, strict=True))
        figures.append((base.spec.label, f"moves by {shift}; best cells {cells}"))
    still = max(moved[name] for name in FREE)
    others_move = min(moved[name] for name in OPTIMIZERS if name not in FREE)
    sentence = (
        f"With ε = {EPS:g} the errors of AdamW and ProxAdam move by at most {100 * still:.2f} points (mean over the "
        f"grid) when the loss is multiplied by 10 and 100, those of AdamL2 and AdamP by at least "
        f"{100 * others_move:.2f}."
    )
    return Conclusion(still <= TOLERANCE and others_move > still, sentence, tuple(figures))


SCALE_FREE = Preset(
    name="scale-free",
    title="Scale-freeness",
    claim="AdamW and ProxAdam with ε = 0 do not see the scale of the loss, so (lr, λ) stay the best under any; Adam "
    "with L2 and AdamP do.",
    source="Zhuang et al. 2022, §5; Decay No More (2023), the section on scale-freeness",
    deviations="a perceptron on 5,000 Fashion-MNIST images of 14×14 pixels for ResNet-110 without BatchNorm on "
    "CIFAR-10, 10 epochs for 300, a 4 × 4 grid; ε = 1e-30 for 0",
    cost={"smoke": "seconds", "small": "about 2 minutes on 2 cores", "paper": "about 60 GPU-days on an H100"},
    conditions=conditions,
    conclude=conclude,
)
