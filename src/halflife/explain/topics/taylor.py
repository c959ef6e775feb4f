"""From ProxAdam to AdamW by one Taylor step, and how large what is left out is."""

from __future__ import annotations

from torch import Tensor

from ... import optimizers as optim
from ...decays import Decay
from ..expressions import figure
from ..paper import Paper
from .runs import Make, path, vector
from .topic import Topic

AMOUNTS = (0.01, 0.1, 1.0)
CURVATURES, TARGET, START = vector(1.0, 10.0, 0.1), vector(1.0, -1.0, 2.0), vector(2.0, 1.0, -1.5)
LR = 0.02


def _gradient(w: Tensor, t: int) -> Tensor:
    return CURVATURES * (w - TARGET)


def apart(a: Make, b: Make, steps: int) -> float:
    """The largest difference between two optimizers' weights after so many steps."""
    one, other = path(a, START, _gradient, steps)[-1], path(b, START, _gradient, steps)[-1]
    return float((one - other).abs().max())


def prox_adam(λ: float, lr: float = LR) -> Make:
    """ProxAdam with this λ."""
    return lambda p: optim.ProxAdam(p, lr=lr, weight_decay=λ)


def adam_w(λ: float, lr: float = LR) -> Make:
    """AdamW in the paper's form."""
    return lambda p: optim.AdamW(p, lr=lr, weight_decay=λ, decay="independent")


def _derivation(paper: Paper) -> None:
    paper.heading("The step")
    paper.lines(
        [
            "ProxAdam:  w⁺ = (w − lr·u)/(1 + x)            x = η·λ",
            "1/(1 + x) = 1 − x + x² − …",
            "w⁺ ≈ (1 − x)·(w − lr·u) = (1 − x)·w − lr·u + x·lr·u",
            "AdamW:     w⁺ = (1 − x)·w − lr·u              x·lr·u left out: a product of two small numbers",
        ]
    )
    paper.prose(
        "So AdamW as Loshchilov and Hutter print it is ProxAdam to first order in λ, and both are the prox of the ridge, "
        "one in full. What is left out is x²·w − x·lr·u and smaller."
    )
    paper.gap()
    rows = [
        (figure(x), f"{1 / (1 + x):.6g}", f"{1 - x:.6g}", f"{x * x / (1 + x):.3g}", f"{x * x:.3g}") for x in AMOUNTS
    ]
    paper.figures(("x", "1/(1 + x)", "1 − x", "apart", "x²"), rows)
    paper.prose(
        "Exactly, the two factors are x²/(1 + x) apart. From x = 1 on they are different things: 1 − x is 0 there, turns "
        "each weight's sign above, and grows without bound beyond 2, while 1/(1 + x) stays between 0 and 1."
    )


def _measured(paper: Paper) -> None:
    paper.heading("Measured", f"ProxAdam and AdamW (decay='independent'), lr = {figure(LR)}, no schedule")
    rows: list[tuple[str, ...]] = []
    for λ in AMOUNTS:
        left_out = λ * λ / (1 + λ) * START + λ / (1 + λ) * LR * _gradient(START, 1).sign() * -1
        one, many = (apart(prox_adam(λ), adam_w(λ), steps) for steps in (1, 50))
        rows.append((figure(λ), f"{one:.3g}", f"{float(left_out.abs().max()):.3g}", f"{many:.3g}"))
    paper.figures(("λ", "1 step", "|x²w − x·lr·u|/(1 + x)", "50 steps"), rows)
    paper.prose(
        "The largest difference in the weights. In the first step u is the gradient's sign, so what is left out can be "
        "written down, and it is what is measured."
    )
    paper.heading("At usual values")
    paper.prose(
        "torch's AdamW with lr 1e-3 and λ 0.01 takes lr·λ off each weight a step; the same in the paper's count is "
        "λ = 1e-5. The differences after 100 steps, beside what float32 can tell apart at 1 (1.2e-7):"
    )
    paper.gap()
    usual = [(lr, λ) for lr in (1e-3,) for λ in (1e-5, 1e-4, 1e-3)]
    figures = [(figure(λ), figure(λ / lr), f"{apart(prox_adam(λ, lr), adam_w(λ, lr), 100):.1e}") for lr, λ in usual]
    paper.figures(("λ, paper", "λ, torch", "apart after 100 steps"), figures)
    paper.prose(
        "So a run of ProxAdam with the ridge is a run of AdamW, for all that anybody can measure. What ProxAdam adds is "
        "every other penalty (exact zeros, bounds), and a decay that no λ makes unstable."
    )


def adam_p(λ: float) -> Make:
    """AdamP of the blog post."""
    return lambda p: optim.AdamP(p, lr=LR, weight_decay=λ)


def first_order(λ: float) -> Make:
    """Its first-order form: explicit, λ·lr/D."""
    return lambda p: optim.Adam(p, lr=LR, weight_decay=λ, decay=Decay("explicit", "lr/metric"))


def _adam_p(paper: Paper) -> None:
    paper.heading("AdamP to first order")
    paper.lines(
        [
            "AdamP:        w⁺ = (w − lr·u)/(1 + lr·λ/D)",
            "first order:  w⁺ = (1 − lr·λ/D)·w − lr·u = w − lr·(m̂ + λ·w)/D",
            "AdamL2:       g + λ·w goes into m and into v",
        ]
    )
    paper.prose(
        "To first order AdamP adds λ·w to the mean of the gradients, after the averages are taken: half way between L2, "
        "where it goes into both averages and so into D, and AdamW, where it does not meet D."
    )
    paper.gap()
    rows = [
        (figure(λ), *(f"{apart(adam_p(λ), other, 20):.1e}" for other in (first_order(λ), _adam_l2(λ))))
        for λ in (0.001, 0.01, 0.1)
    ]
    paper.figures(("λ", "AdamP − first order", "AdamP − AdamL2"), rows)
    paper.prose(
        "After 20 steps. In the first column a tenth of λ leaves a hundredth of the difference: second order. In the "
        "second it leaves a tenth: they differ to first order. In the library the first-order form is "
        "`Decay('explicit', 'lr/metric')`."
    )
    paper.heading("Sources")
    paper.bullets(
        [
            "Zhuang et al. 2022, https://arxiv.org/abs/2202.00089",
            "Decay No More 2023, https://iclr-blogposts.github.io/2023/blog/2023/adamw/",
        ]
    )


def _adam_l2(λ: float) -> Make:
    return lambda p: optim.AdamL2(p, lr=LR, weight_decay=λ)


TAYLOR = Topic(
    "taylor",
    "AdamW is ProxAdam to first order",
    "how AdamW follows from a prox, and what the difference is worth",
    (_derivation, _measured, _adam_p),
)
