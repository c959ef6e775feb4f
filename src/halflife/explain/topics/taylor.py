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


def left_out(λ: float, lr: float) -> Tensor:
    """ProxAdam's first weights less AdamW's: there u is the gradient's sign, but for ε."""
    return (λ * λ * START + λ * lr * _gradient(START, 1).sign()) / (1 + λ)


def _derivation(paper: Paper) -> None:
    paper.heading("The step", "x = η·λ, lr = α·η")
    paper.lines(
        [
            "w⁺ = (w − lr·u)/(1 + x)    ProxAdam",
            "1/(1 + x) = 1 − x + x² − …",
            "w⁺ ≈ (1 − x)·w − lr·u + x·lr·u    to first order in x",
            "w⁺ = (1 − x)·w − lr·u    AdamW: without x·lr·u, a product of two small numbers",
            "(x²·w + x·lr·u)/(1 + x)    all that is left out",
        ]
    )
    paper.prose(
        "So AdamW as Loshchilov and Hutter print it is ProxAdam to first order in η, of which both x and lr are "
        "multiples: one is the prox of the ridge in full, the other its beginning."
    )
    paper.gap()
    rows = [
        (figure(x), f"{1 / (1 + x):.6g}", f"{1 - x:.6g}", f"{1 / (1 + x) - (1 - x):.3g}", f"{x * x:.3g}")
        for x in AMOUNTS
    ]
    paper.figures(("x", "1/(1 + x)", "1 − x", "apart", "x²"), rows)
    paper.prose(
        "The two factors are x²/(1 + x) apart. From x = 1 on they are different things: 1 − x is 0 there, turns each "
        "weight's sign above, and grows without bound beyond 2, while 1/(1 + x) stays between 0 and 1."
    )


def _measured(paper: Paper) -> None:
    paper.heading("Measured", "ProxAdam and AdamW (decay='independent'), no schedule")
    rows: list[tuple[str, ...]] = []
    for λ in AMOUNTS:
        one, many = (apart(prox_adam(λ), adam_w(λ), steps) for steps in (1, 50))
        rows.append((figure(λ), f"{one:.3g}", f"{float(left_out(λ, LR).abs().max()):.3g}", f"{many:.3g}"))
    paper.figures(("λ", "1 step", "(x²w + x·lr·u)/(1 + x)", "50 steps"), rows)
    paper.prose(
        f"The largest difference in the weights at lr = {figure(LR)}. In the first step u is the gradient's sign, so "
        "that what is left out can be written down. With η a tenth, so that lr and η·λ both are, it is a hundredth:"
    )
    paper.gap()
    pairs = [(η, apart(prox_adam(0.1 * η, LR * η), adam_w(0.1 * η, LR * η), 1)) for η in (1.0, 0.1, 0.01)]
    paper.figures(("η", "1 step, λ = 0.1"), [(figure(η), f"{x:.3g}") for η, x in pairs])


def _usual(paper: Paper) -> None:
    paper.heading("At usual values")
    paper.prose(
        "torch's AdamW with lr 1e-3 and λ 0.01 takes lr·λ off each weight a step; the same in the paper's count is "
        "λ = 1e-5. At lr 1e-3 the weights move by about 0.1 in 100 steps. The differences:"
    )
    paper.gap()
    lr, rows = 1e-3, list[tuple[str, ...]]()
    for λ in (1e-5, 1e-4, 1e-3):
        one, many = (apart(prox_adam(λ, lr), adam_w(λ, lr), steps) for steps in (1, 100))
        rows.append((figure(λ), figure(λ / lr), f"{one:.1e}", f"{many:.1e}"))
    paper.figures(("λ, paper", "λ, torch", "1 step", "100 steps"), rows)
    paper.prose(
        "A float32 near 1 cannot tell 6e-8 apart, so in the first row a step of one is a step of the other. What "
        "ProxAdam adds is every other penalty (exact zeros, bounds), and a decay that no λ makes unstable."
    )


def adam_p(lr: float, λ: float = 0.1) -> Make:
    """AdamP of the blog post."""
    return lambda p: optim.AdamP(p, lr=lr, weight_decay=λ)


def first_order(lr: float, λ: float = 0.1) -> Make:
    """Its first-order form: explicit, λ·lr/D."""
    return lambda p: optim.Adam(p, lr=lr, weight_decay=λ, decay=Decay("explicit", "lr/metric"))


def adam_l2(lr: float, λ: float = 0.1) -> Make:
    """L2 in Adam."""
    return lambda p: optim.AdamL2(p, lr=lr, weight_decay=λ)


def _adam_p(paper: Paper) -> None:
    paper.heading("AdamP to first order")
    paper.lines(
        [
            "w⁺ = (w − lr·u)/(1 + lr·λ/D)    AdamP",
            "w⁺ = w − lr·(m̂ + λ·w)/D    to first order in lr",
            "g ← g + λ·w    AdamL2: into m and into v",
        ]
    )
    paper.prose(
        "To first order AdamP adds λ·w to the mean of the gradients after the averages are taken: half way between L2, "
        "where it goes into both averages and so into D, and AdamW, where it does not meet D. One step from the same "
        "point, λ = 0.1:"
    )
    paper.gap()
    rates = (0.02, 0.002, 0.0002)
    rows = [(figure(lr), *(f"{apart(adam_p(lr), x(lr), 1):.2e}" for x in (first_order, adam_l2))) for lr in rates]
    paper.figures(("lr", "AdamP − first order", "AdamP − AdamL2"), rows)
    paper.prose(
        "A tenth of lr leaves a hundredth in the first column, which is second order, and a tenth in the second: AdamP "
        "and AdamL2 differ to first order. In the library the first-order form is `Decay('explicit', 'lr/metric')`."
    )
    paper.heading("Sources")
    paper.bullets(
        [
            "Zhuang et al. 2022, https://arxiv.org/abs/2202.00089",
            "Decay No More 2023, https://iclr-blogposts.github.io/2023/blog/2023/adamw/",
        ]
    )


TAYLOR = Topic(
    "taylor",
    "AdamW is ProxAdam to first order",
    "how AdamW follows from a prox, and what the difference is worth",
    (_derivation, _measured, _usual, _adam_p),
)
