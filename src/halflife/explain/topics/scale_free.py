"""Which optimizers see the scale of the loss, and what that is good for."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ... import optimizers as optim
from ..expressions import figure
from ..paper import Cell, Paper
from .runs import Make, norm, path, vector
from .topic import Topic

CURVATURES, TARGET = vector(1.0, 10.0, 100.0), vector(1.0, -1.0, 0.5)
SCALES: Mapping[str, Tensor] = {
    "× 10": vector(10.0, 10.0, 10.0),
    "× 1000": vector(1e3, 1e3, 1e3),
    "each its own": vector(1.0, 10.0, 1e3),
}
"""What the three coordinates' gradients are multiplied by."""
STEPS, LR = 60, 0.02
FREE = 1e-12
"""Differences up to here are rounding: the weights are about 1, in float64."""


def optimizers(eps: float = 0.0, scale: float = 1.0) -> dict[str, Make]:
    """Those of the table; ``scale`` multiplies the λ of the last AdamP."""
    return {
        "Adam, no decay": lambda p: optim.Adam(p, lr=LR, eps=eps),
        "AdamW": lambda p: optim.AdamW(p, lr=LR, eps=eps, weight_decay=0.5),
        "ProxAdam": lambda p: optim.ProxAdam(p, lr=LR, eps=eps, weight_decay=0.01),
        "AdamL2": lambda p: optim.AdamL2(p, lr=LR, eps=eps, weight_decay=0.5),
        "AdamP": lambda p: optim.AdamP(p, lr=LR, eps=eps, weight_decay=0.5),
        "AdamP at c·λ": lambda p: optim.AdamP(p, lr=LR, eps=eps, weight_decay=0.5 * scale),
        "SGD": lambda p: optim.SGD(p, lr=1e-3),
    }


def end(make: Make, scales: Tensor, steps: int = STEPS) -> Tensor:
    """Where the weights are after so many steps, if their gradients are multiplied so."""
    return path(make, torch.zeros_like(TARGET), lambda w, _: scales * CURVATURES * (w - TARGET), steps)[-1]


def differences(eps: float = 0.0) -> dict[str, list[float | None]]:
    """How far the ends lie from the end without a scale; None where one λ for all coordinates cannot follow."""
    one, found = torch.ones_like(TARGET), dict[str, list[float | None]]()
    for name in optimizers():
        start = end(optimizers(eps)[name], one)
        found[name] = []
        for scales in SCALES.values():
            uniform = bool((scales == scales[0]).all())
            ours = end(optimizers(eps, float(scales[0]))[name], scales)
            follows = uniform or "c·λ" not in name
            found[name].append(float((ours - start).abs().max()) if follows else None)
    return found


def _what(paper: Paper) -> None:
    paper.heading("What it means")
    paper.prose(
        "An optimizer is scale-free if it takes the same steps when the loss is multiplied by a number c > 0, or "
        "each coordinate's gradient by a number of its own. Adam divides the mean of the gradients by the root of "
        "the mean of their squares, so c cancels, as long as nothing else is added to either: ε, or a decay that "
        "does not grow with c."
    )
    paper.lines(
        [
            "g → c·g,  m̂ → c·m̂,  D = √v̂ → c·D,  u = m̂/D → u",
            "w ← (1 − lr·λ)·w − lr·u    AdamW: no c",
            "w ← (w − lr·u)/(1 + η·λ)    ProxAdam: no c",
            "w ← (w − lr·u)/(1 + lr·λ/(c·D))    AdamP: c, which cancels at c·λ",
            "g ← c·g + λ·w    AdamL2: c against λ, within u",
        ]
    )


def _run(paper: Paper) -> None:
    paper.heading("Run", f"{STEPS} steps on a badly scaled quadratic, ε = 0")
    paper.prose(
        "f = ½·Σ hᵢ(wᵢ − aᵢ)² with h = (1, 10, 100). Then the same with the loss × 10, × 1000, and the three "
        "coordinates × 1, × 10 and × 1000. The table has the largest difference in the weights at the end."
    )
    paper.gap()
    paper.figures(("", *SCALES), [(name, *map(_difference, row)) for name, row in differences().items()])
    paper.prose(
        "Adam, AdamW and ProxAdam end at the same point, up to rounding. AdamL2 and AdamP do not; AdamP does once "
        "its λ is multiplied by c too, as a penalty's weight must be. Plain SGD takes c times the step, until it "
        "diverges."
    )


def _difference(x: float | None) -> Cell:
    if x is None:
        return "–"
    words = "0" if x == 0 else f"{x:.0e}" if math.isfinite(x) and (x < 0.01 or x >= 100) else f"{x:.2f}"
    return ((words, "green" if x <= FREE else ""),)


def _epsilon(paper: Paper) -> None:
    paper.heading("What ε breaks")
    rows: list[tuple[str, ...]] = []
    for eps in (0.0, 1e-8, 1e-3):
        start = end(optimizers(eps)["AdamW"], torch.ones_like(TARGET))
        ends = [end(optimizers(eps)["AdamW"], c * torch.ones_like(TARGET)) for c in (1e3, 1e-3, 1e-6)]
        rows.append((f"ε = {figure(eps)}", *(_said(float((x - start).abs().max())) for x in ends)))
    paper.figures(("AdamW", "× 1000", "/ 1000", "/ 1,000,000"), rows)
    paper.prose(
        "The same difference, for AdamW with an ε beside √v̂. It is small while the gradients are far above ε. "
        "Where they are as small as ε (a loss divided by a million) the optimizer becomes another, near to SGD with "
        "momentum at the rate lr/ε."
    )


def _said(x: float) -> str:
    return "0" if x == 0 else f"{x:.0e}"


def gaps(condition: float) -> tuple[float, float, float]:
    """Distance to the minimum of f after 60 steps where the curvatures are 1 to ``condition``.

    Of ProxAdam and AdamL2 at ε = 0, and of SGD at its best learning rate.
    """
    h = vector(1.0, condition**0.5, condition)
    makes: tuple[Make, ...] = (
        lambda p: optim.ProxAdam(p, lr=LR * 3, eps=0.0, weight_decay=1e-3),
        lambda p: optim.AdamL2(p, lr=LR * 3, eps=0.0, weight_decay=0.1),
        lambda p: optim.SGD(p, lr=2 / (1 + condition)),
    )
    ends = [path(make, torch.zeros_like(TARGET), lambda w, _: h * (w - TARGET), STEPS)[-1] for make in makes]
    adam, p, sgd = (norm(w - TARGET) for w in ends)
    return adam, p, sgd


def _use(paper: Paper) -> None:
    paper.heading("What it is good for: the condition number")
    paper.prose(
        "To multiply each coordinate's gradient by a number is to change the curvatures, so a scale-free method "
        "cannot tell a badly conditioned diagonal quadratic from the best one with the same minimum. Its course "
        "depends on the best condition number that such a scaling can reach; a method that sees the scale has to "
        "bear the one that is there. The distance to the minimum of f after 60 steps:"
    )
    paper.gap()
    rows = [(f"{κ:,.0f}", *(f"{x:.4f}" for x in gaps(κ))) for κ in (1.0, 100.0, 1e4)]
    paper.figures(("condition number", "ProxAdam", "AdamL2", "SGD, best lr"), rows)
    paper.prose(
        "Zhuang et al. 2022 prove this for twice differentiable f and any scale-free method (curvatures multiplied "
        "coordinate by coordinate, the same minimum). They also saw that AdamW is ahead of AdamL2 the more, the more "
        "scales the gradients of the network have: without BatchNorm, and in deeper networks. That this is the reason "
        "is their hypothesis. The quadratics here are diagonal; a rotation of the coordinates is no scaling, and takes "
        "the advantage away."
    )
    paper.prose(
        "It is a practical advantage: less to tune when the model, the data or the loss's units change. It does not "
        "say that the tuned result is better. `halflife study scale-free` measures it on networks."
    )
    paper.heading("Sources")
    paper.bullets(
        [
            "Zhuang, Liu, Cutkosky & Orabona 2022, https://arxiv.org/abs/2202.00089",
            "Decay No More 2023, https://iclr-blogposts.github.io/2023/blog/2023/adamw/",
        ]
    )


SCALE_FREE = Topic(
    "scale-free",
    "who sees the scale of the loss",
    "whether lr and λ stay the best when the loss is multiplied",
    (_what, _run, _epsilon, _use),
)
