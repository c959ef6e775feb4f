"""Adam as a step in a norm of its own, and which minimum a decay then leads to."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ... import optimizers as optim
from ... import regularizers as own
from ..expressions import figure
from ..paper import Cell, Paper
from .runs import Make, Run, normal, path, run, vector
from .topic import Topic

LR, LAM, BETAS, EPS = 0.1, 0.5, (0.9, 0.99), 1e-8
START, GRADIENTS = vector(1.0, -0.8, 0.6), torch.stack([vector(0.2, 1.0, 5.0), vector(0.1, 2.0, 3.0)])
ROUNDING = 1e-12


class LastStep(NamedTuple):
    """The second of two steps: from ``before`` to ``after``, by the mean m̂ and the metric D of then."""

    before: Tensor
    after: Tensor
    m: Tensor
    D: Tensor


def last_step(make: Make) -> LastStep:
    """Two steps on gradients that are given, of any optimizer with Adam's states."""
    done: Run = run(make, START, lambda w, t: GRADIENTS[t - 1], 2)
    m = done.state["exp_avg"] / (1 - BETAS[0] ** 2)
    D = (done.state["exp_avg_sq"] / (1 - BETAS[1] ** 2)).sqrt() + EPS
    return LastStep(done.weights[-2], done.weights[-1], m, D)


OPTIMIZERS: dict[str, Make] = {
    "Adam, no decay": lambda p: optim.Adam(p, lr=LR, betas=BETAS, eps=EPS),
    "ProxAdam": lambda p: optim.ProxAdam(p, lr=LR, betas=BETAS, eps=EPS, weight_decay=LAM),
    "AdamP": lambda p: optim.AdamP(p, lr=LR, betas=BETAS, eps=EPS, weight_decay=LAM),
    "AdamW (paper)": lambda p: optim.AdamW(p, lr=LR, betas=BETAS, eps=EPS, weight_decay=LAM, decay="independent"),
}


def conditions(name: str) -> tuple[float, float, float]:
    """What stands on the left of the three optimality conditions after this optimizer's step: of Adam's own, of (P1)
    and of (P2); the largest over the coordinates.
    """
    w, y, m, D = last_step(OPTIMIZERS[name])
    plain = m + D * (y - w) / LR
    in_metric, in_euclidean = plain + LAM / LR * D * y, plain + LAM * y
    return float(plain.abs().max()), float(in_metric.abs().max()), float(in_euclidean.abs().max())


def _adam(paper: Paper) -> None:
    paper.heading("Adam's step in the D-norm")
    paper.lines(
        [
            "D = √v̂ + ε,  ‖z‖²_D = Σ Dᵢ·zᵢ²",
            "w⁺ = argmin_y  ⟨m̂, y − w⟩ + 1/(2lr)·‖y − w‖²_D",
            "0 = m̂ + D·(w⁺ − w)/lr    the optimality condition",
            "w⁺ = w − lr·m̂/D = w − lr·u    solved for w⁺",
        ]
    )
    w, y, m, D = last_step(OPTIMIZERS["Adam, no decay"])
    best = min(_objective(y + 10 ** -(k % 6) * d, w, m, D) for k, d in enumerate(normal(0, 600, 3)))
    paper.prose(
        "With D = 1 this is SGD with momentum. Adam measures how far it goes in a norm in which a coordinate of large "
        "gradients counts as long, so it goes less far there. The second of two steps:"
    )
    paper.gap()
    rows = [tuple(figure(float(x), 4) for x in row) for row in zip(m, D, w, y, strict=True)]
    paper.figures(("m̂", "D", "w", "Adam's w⁺"), rows)
    paper.prose(
        f"The condition holds to {conditions('Adam, no decay')[0]:.0e}, and the best of 600 other points y is "
        f"{best - _objective(y, w, m, D):.0e} worse."
    )


def _objective(y: Tensor, w: Tensor, m: Tensor, D: Tensor) -> float:
    return float((m * (y - w) + D * (y - w) ** 2 / (2 * LR)).sum())


def _two(paper: Paper) -> None:
    paper.heading("A penalty in it: two norms, two optimizers")
    paper.prose(
        "The ridge can be measured in the D-norm as well, at the weight λ/α, where α is the base learning rate:"
    )
    paper.lines(
        [
            "w⁺ = argmin_y  ⟨m̂, y − w⟩ + λ/(2α)·‖y‖²_D + 1/(2lr)·‖y − w‖²_D    (P1)",
            "0 = m̂ + (λ/α)·D·w⁺ + D·(w⁺ − w)/lr",
            "w⁺ = (w − lr·u)/(1 + η·λ)    (2) ProxAdam: D cancels, and lr/α = η",
        ]
    )
    paper.prose("or in the Euclidean norm, as λ·R stands in the objective:")
    paper.lines(
        [
            "w⁺ = argmin_y  ⟨m̂, y − w⟩ + λ/2·‖y‖² + 1/(2lr)·‖y − w‖²_D    (P2)",
            "0 = m̂ + λ·w⁺ + D·(w⁺ − w)/lr",
            "w⁺ = (w − lr·u)/(1 + lr·λ/D)    AdamP: D stays",
        ]
    )
    paper.gap()
    rows = [(name, *map(_left, conditions(name)[1:])) for name in OPTIMIZERS]
    paper.figures(("", "left of (P1)'s condition", "left of (P2)'s"), rows)
    paper.prose(
        "0 where the step is the solution. AdamW misses (P1) by what the Taylor step leaves out (`halflife explain "
        "taylor`)."
    )
    paper.gap()
    paper.figures(("D", "ProxAdam takes off", "AdamP takes off", "lr·λ/D"), thresholds())
    paper.prose(
        "For another R the same holds with its prox: in the D-norm one threshold η·λ for all, in the Euclidean norm "
        "lr·λ/D for each. Above is what a lasso takes off each weight in that step (λ = 0.05 and 0.5)."
    )


def _left(x: float) -> Cell:
    return ((f"{x:.0e}" if x < 1e-6 else f"{x:.3f}", "green" if x < ROUNDING else ""),)


def thresholds() -> list[tuple[str, ...]]:
    """What the lasso takes off each weight in one step, under either norm."""
    R, g = own.L1(), vector(0.2, 1.0, 5.0)
    makes: tuple[Make, ...] = (
        lambda p: optim.ProxAdam(p, lr=LR, weight_decay=0.05, regularizer=R),
        lambda p: optim.AdamP(p, lr=LR, weight_decay=0.5, regularizer=R),
    )
    free = path(lambda p: optim.Adam(p, lr=LR), 3 + 0 * g, lambda w, t: g, 1)[-1]
    taken = [free - path(make, 3 + 0 * g, lambda w, t: g, 1)[-1] for make in makes]
    return [
        (figure(float(D), 4), *(figure(float(x), 4) for x in row), figure(LR * 0.5 / float(D), 4))
        for D, *row in zip(g.abs(), *taken, strict=True)
    ]


NOISE, λ_REST = vector(0.3, 1.0, 3.0), 0.5
REST: dict[str, Make] = {
    "AdamP": lambda p: optim.AdamP(p, lr=0.02, betas=(0.0, 0.99), weight_decay=λ_REST),
    "AdamL2": lambda p: optim.AdamL2(p, lr=0.02, betas=(0.0, 0.99), weight_decay=λ_REST),
    "AdamW": lambda p: optim.AdamW(p, lr=0.02, betas=(0.0, 0.99), weight_decay=λ_REST),
}


def rest(name: str) -> Tensor:
    """Where the optimizer comes to rest on f = ½(w − 1)² under a noise of ±σ in turn."""
    ws = path(REST[name], 0.8 + 0 * NOISE, lambda w, t: w - 1 + NOISE * (-1) ** t, 700)
    return (ws[-1] + ws[-2]) / 2


def balance(σ: float, λ: float) -> float:
    """The w in (0, 1) at which ∇f + λ·D·w = 0, where D² = σ² + (∇f)² is the mean of the squared gradients."""
    low, high = 0.0, 1.0
    for _ in range(60):
        w = (low + high) / 2
        low, high = (w, high) if w - 1 + λ * (σ**2 + (w - 1) ** 2) ** 0.5 * w < 0 else (low, w)
    return low


def _rest_points(paper: Paper) -> None:
    paper.heading("Where each comes to rest")
    paper.lines(
        [
            "∇f(w) + λ·∇R(w) = 0    AdamP, AdamL2, proximal SGD: the minimum of f + λR",
            "∇f(w) + λ·D·∇R(w) = 0    AdamW in torch's form",
            "∇f(w) + (λ/α)·D·∇R(w) = 0    ProxAdam, AdamW in the paper's form",
        ]
    )
    paper.prose(
        "A step rests where what the gradient does and what the decay does cancel: lr·∇f/D against lr·λ/D·∇R or "
        "against lr·λ·∇R. In the second case D stays in the equation, and D is made of noise as well, so more noise "
        "in a weight's gradient means more decay. f = ½(w − 1)², R = ½w², λ = ½, gradients with a noise of ±σ in "
        "turn:"
    )
    paper.gap()
    ends = {name: rest(name) for name in REST}
    rows = [
        (figure(float(σ)), f"{1 / (1 + λ_REST):.4f}", *(f"{float(ends[n][i]):.4f}" for n in REST), f"{w:.4f}")
        for i, (σ, w) in enumerate((σ, balance(float(σ), λ_REST)) for σ in NOISE)
    ]
    paper.figures(("σ", "min f + λR", *REST, "∇f + λDw = 0"), rows)
    paper.prose(
        "AdamP and AdamL2 find the minimum of f + λR whatever σ; AdamW rests where the last column says. So AdamW's "
        "λ is no penalty's weight (with a fixed D it is the weight of ½‖w‖²_D: Loshchilov and Hutter's Proposition "
        "3). It is a rate of forgetting, and what it leads to depends on the noise."
    )
    paper.prose(
        "Without any noise D is |∇f| itself, and AdamW minimizes f under the bound |w| ≤ 1/λ (Xie & Li 2024): for "
        f"λ = ½ it ends at {', '.join(bounded())} where f's minimum is at 1, 1.5 and 5."
    )


def bounded() -> list[str]:
    """Where AdamW ends without noise, for minima of f within 1/λ = 2 and beyond it."""
    a = vector(1.0, 1.5, 5.0)
    w = path(lambda p: optim.AdamW(p, lr=0.02, betas=(0.0, 0.9), weight_decay=0.5), 0 * a, lambda w, t: w - a, 600)
    return [f"{float(x):.2f}" for x in (w[-1] + w[-2]) / 2]


LEFT_STEPS, LEFT_LR, LEFT_LAM, LEFT_NOISE = 500, 0.01, 0.2, (1.0, 10.0, 100.0)


def left(kind: type[optim.Adam]) -> Tensor:
    """What is left of weights 1 under gradients ±σ in turn, whose mean is 0."""
    σ = vector(*LEFT_NOISE)
    ws = path(
        lambda p: kind(p, lr=LEFT_LR, betas=(0.0, 0.999), weight_decay=LEFT_LAM),
        1 + 0 * σ,
        lambda w, t: σ * (-1) ** t,
        LEFT_STEPS,
    )
    return (ws[-1] + ws[-2]) / 2


def _large_gradients(paper: Paper) -> None:
    paper.heading("L2 in Adam decays weights of large gradients least")
    paper.prose(
        "AdamL2 adds λ·w to the gradient and divides the sum by D, so a weight loses about lr·λ/D a step. This is the "
        f"observation that AdamW was made for. What is left of w = 1 after {LEFT_STEPS} steps under gradients of ±σ in "
        f"turn, lr·λ = {figure(LEFT_LR * LEFT_LAM)}:"
    )
    paper.gap()
    l2, w = left(optim.AdamL2), left(optim.AdamW)
    rows = [
        (
            figure(σ),
            f"{float(a):.3f}",
            f"{math.exp(-LEFT_STEPS * LEFT_LR * LEFT_LAM / σ):.3f}",
            f"{float(b):.3f}",
        )
        for σ, a, b in zip(LEFT_NOISE, l2, w, strict=True)
    ]
    paper.figures(("σ", "AdamL2", "exp(−steps·lr·λ/σ)", "AdamW"), rows)
    paper.prose(f"(1 − lr·λ)^{LEFT_STEPS} is {(1 - LEFT_LR * LEFT_LAM) ** LEFT_STEPS:.3f}: the same for all in AdamW.")
    paper.heading("Sources")
    paper.bullets(
        [
            "Decay No More 2023, the sections on changing the norm and on scale-freeness, "
            "https://iclr-blogposts.github.io/2023/blog/2023/adamw/",
            "Loshchilov & Hutter 2019, Propositions 2 and 3, https://arxiv.org/abs/1711.05101",
            "Xie & Li 2024, implicit bias of AdamW, https://arxiv.org/abs/2404.04454",
        ]
    )


METRIC = Topic(
    "metric",
    "Adam as a step in a norm of its own, and where a decay then leads",
    "ProxAdam, AdamP and AdamW derived; what each one minimizes",
    (_adam, _two, _rest_points, _large_gradients),
)
