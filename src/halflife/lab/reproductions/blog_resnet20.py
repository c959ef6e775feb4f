"""Decay No More's experiment: ResNet-20 without BatchNorm under AdamW and AdamP, score and norm by epoch."""

from __future__ import annotations

from ..config.settings import Settings
from ..result import Result
from .preset import Conclusion, Condition, Preset, Scale, cell

OPTIMIZERS = ("adamw-torch", "adam-p")
LRS, LAMS = (1e-3, 1e-2, 1e-1), (1e-5, 1e-4, 1e-3, 1e-2)


def conditions(scale: Scale) -> list[Condition]:
    """The studies of a scale."""
    return [Condition("ResNet-20 without BatchNorm", _settings(scale))]


def _settings(scale: Scale) -> Settings:
    if scale == "paper":
        return Settings("cifar10", "resnet20-no-bn", OPTIMIZERS, LRS, LAMS, 3, 100, 128, "constant", curves=True)
    if scale == "medium":
        long = 1, 30, 128, "constant"
        return Settings("cifar10", "resnet20-no-bn", OPTIMIZERS, LRS[:1], LAMS, *long, curves=True, precision="bf16")
    if scale == "small":
        model = "resnet20-narrow-no-bn"
        return Settings("cifar10-small", model, OPTIMIZERS, LRS, LAMS, 1, 12, 100, "constant", curves=True)
    model = "resnet8-narrow-no-bn"
    return Settings("cifar10-tiny", model, OPTIMIZERS, (1e-3,), (1e-3,), 1, 1, 100, "constant", curves=True)


def conclude(results: list[Result]) -> Conclusion:
    """Where the best cells lie, and whose weights end smaller at the best learning rate."""
    (result,) = results
    adamw, adamp = (result.found(name) for name in OPTIMIZERS)
    norms = {f.spec.name: [result.final_norm(f, f.best_lr, lam) for lam in f.lams] for f in (adamw, adamp)}
    figures = [
        (f.spec.label, f"{cell(f)}; norms at that lr " + ", ".join(f"{n:.0f}" for n in norms[f.spec.name]))
        for f in (adamw, adamp)
    ]
    smaller = min(norms["adam-p"]) < min(norms["adamw-torch"])
    lowest = adamw.best_lr == adamp.best_lr == min(adamw.lrs)
    sentence = (
        f"The best lr is {adamw.best_lr:g} for AdamW and {adamp.best_lr:g} for AdamP; the smallest norm is "
        f"{min(norms['adamw-torch']):.0f} and {min(norms['adam-p']):.0f}."
    )
    if len(adamw.lrs) > 1:
        return Conclusion(smaller and lowest, sentence, tuple(figures))
    half = "holds" if smaller else "does not hold"
    sentence += f" With one learning rate the half of the claim about lr is not asked; the half about norms {half}."
    return Conclusion(None, sentence, tuple(figures))


BLOG_RESNET20 = Preset(
    name="blog-resnet20",
    title="Decay No More",
    claim="All good runs have lr 1e-3 (validation accuracy about 84 to 86 %), and AdamP ends with the smaller norm.",
    source="Decay No More, ICLR Blogposts 2023",
    medium="18,000 CIFAR-10 images and 30 epochs for 100, at the blog's best lr alone, one seed, bfloat16",
    deviations="5,000 CIFAR-10 images of 16×16 pixels and half the width, 12 epochs for 100, one seed",
    cost={
        "smoke": "seconds",
        "small": "about 6 minutes on 2 cores",
        "medium": "about 80 minutes on 2 cores",
        "paper": "about 75 minutes on an H200 in nine processes, by 26 measured on 16,200 images",
    },
    conditions=conditions,
    conclude=conclude,
)
