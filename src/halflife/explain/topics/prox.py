"""What a proximal operator is, and why it gives exact zeros."""

from __future__ import annotations

import torch
from torch import Tensor

from ... import optimizers as optim
from ... import regularizers as own
from ...decays import NAMED
from .. import algebra
from ..expressions import figure
from ..paper import Paper, Plot
from ..regularizers import REGULARIZERS
from ..verification import verified_prox
from .runs import norm, normal, path, vector
from .topic import Topic

TAU = 0.5
DRAWN = (own.L2(), own.L1(), own.L0(), own.ElasticNet(0.5), own.Huber(0.5), own.Box(-1.0, 1.0))
POINTS = (0.4, 0.9, 1.8)


def _definition(paper: Paper) -> None:
    paper.heading("Definition")
    paper.lines(["prox_τR(y) = argmin_x  ½‖x − y‖² + τ·R(x)"])
    paper.prose(
        "The point x that is near y and has a small penalty R; τ says how much the penalty counts. R needs no "
        "gradient: only the least of this sum must be found, and for most penalties in use it is known in closed "
        "form. For a constraint (R is 0 within, ∞ without) prox is the projection, whatever τ."
    )
    paper.gap()
    rows = [(type(R).__name__, *_checked(R)) for R in DRAWN]
    paper.figures(("", *(f"y = {figure(y)}" for y in POINTS), "elsewhere"), rows)
    paper.prose(
        f"prox_τ(y) at τ = {figure(TAU)}. The last column is how much larger the sum above is at the best of some "
        "1,700 other points x: above 0, so none is better."
    )


def _checked(R: own.Regularizer) -> list[str]:
    result = verified_prox(R, POINTS, (len(POINTS),), TAU)
    return [*(figure(x, 4) for x in result.values), f"+{result.elsewhere - result.objective:.0e}"]


def _pictures(paper: Paper) -> None:
    paper.heading("Pictures", f"prox_τ(y) against y from −2 to 2, τ = {figure(TAU)}; the dotted line is y itself")
    paper.plots([curve(R) for R in DRAWN])
    paper.prose(
        "L2 shrinks all by the same factor. L1 takes the same amount off each, and what is smaller becomes 0. L0 "
        "leaves what is large as it is. ElasticNet is L1, then L2. Huber is L2 in the middle and L1 outside. Box "
        "clips."
    )


def curve(R: own.Regularizer, reach: float = 2.0, points: int = 401) -> Plot:
    """prox_τ(y) against y, from −reach to reach."""
    y = torch.linspace(-reach, reach, points, dtype=torch.float64)
    xs, ys = [float(x) for x in y], [float(x) for x in R.prox(y, TAU)]
    return Plot(type(R).__name__, tuple(zip(xs, ys, strict=True)), tuple(zip(xs, xs, strict=True)), reach)


LR, LAM = 0.5, 0.6
START, TARGET = vector(1.0, -0.5, 0.1), vector(2.0, -0.1, 0.3)


def argmin_form(y: Tensor, w: Tensor, g: Tensor) -> Tensor:
    """The right-hand side of (1) for the lasso, coordinate by coordinate."""
    return g * (y - w) + LAM * y.abs() + (y - w) ** 2 / (2 * LR)


def _step(paper: Paper) -> None:
    paper.heading("The proximal gradient step")
    paper.lines(
        [
            "minimize f(w) + λ·R(w)",
            "w⁺ = prox_{lr·λR}(w − lr·∇f(w))",
            "w⁺ = argmin_y  ⟨∇f(w), y − w⟩ + λ·R(y) + 1/(2lr)·‖y − w‖²    (1), the same",
        ]
    )
    paper.prose(
        "Form (1) says what is done: f is replaced by its tangent at w, R stays whole, and the last term keeps y "
        "near w. So the gradient of f is taken at the old weights and the penalty at the new ones. Adding "
        "½·lr·‖∇f(w)‖², in which there is no y, completes the square, and (1) becomes the prox. With f = ½‖w − a‖² "
        "and the lasso:"
    )
    g = START - TARGET
    taken = path(lambda p: optim.ProxSGD(p, lr=LR, weight_decay=LAM, regularizer=own.L1()), START, lambda w, _: g, 1)[1]
    grid = torch.linspace(-2, 2, 400_001, dtype=torch.float64)
    found = torch.stack([grid[argmin_form(grid, w, d).argmin()] for w, d in zip(START, g, strict=True)]).round(
        decimals=9
    )
    paper.gap()
    paper.figures(
        ("w", "∇f(w)", "ProxSGD's w⁺", "least of (1), by search"),
        [tuple(figure(float(x), 4) for x in row) for row in zip(START, g, taken, found, strict=True)],
    )
    paper.prose(f"lr = {figure(LR)}, λ = {figure(LAM)}, so τ = {figure(LR * LAM)}; the search has a grain of 1e-5.")


def _zeros(paper: Paper) -> None:
    paper.heading("Exact zeros")
    paper.prose(
        "Where R has a kink, the gradient can be replaced by a subgradient: for |w| the sign of w. Such a step "
        "moves by lr·λ however near 0 the weight is, so it jumps over 0, and back. The prox of the same size stops "
        "there:"
    )
    w0, τ = 0.025, 0.01
    jumping = path(lambda p: optim.SGD(p, lr=τ), vector(w0), lambda w, _: w.sign(), 6)
    stopping = path(
        lambda p: optim.ProxSGD(p, lr=τ, weight_decay=1.0, regularizer=own.L1()), vector(w0), lambda w, _: 0 * w, 6
    )
    paper.gap()
    pairs = enumerate(zip(jumping, stopping, strict=True))
    paper.figures(
        ("step", "subgradient", "prox"),
        [(str(t), figure(float(a), 4), figure(float(b), 4)) for t, (a, b) in pairs],
    )
    paper.prose("The weight, on |w| alone. And a lasso with 20 weights, of which 3 are in use:")
    paper.gap()
    paper.figures(("after 300 steps", "exact zeros", "smallest |w|", "f + λ‖w‖₁"), lasso())
    paper.prose(f"So the library refuses the subgradient: {refusal()}")


def lasso() -> list[tuple[str, str, str, str]]:
    """A row for SGD with the subgradient, and one for ProxSGD."""
    A, true, λ, steps = normal(0, 60, 20), torch.zeros(20, dtype=torch.float64), 0.1, 300
    true[:3] = vector(2.0, -1.0, 0.5)
    b = A @ true + 0.1 * normal(1, 60)

    def gradient(w: Tensor, t: int = 0) -> Tensor:
        return A.T @ (A @ w - b) / 60

    lr = 1 / norm(A.T @ A / 60)
    runs = {
        "subgradient": path(lambda p: optim.SGD(p, lr=lr), 0 * true, lambda w, t: gradient(w) + λ * w.sign(), steps),
        "prox": path(
            lambda p: optim.ProxSGD(p, lr=lr, weight_decay=λ, regularizer=own.L1()), normal(2, 20), gradient, steps
        ),
    }
    rows: list[tuple[str, str, str, str]] = []
    for name, weights in runs.items():
        w = weights[-1]
        value = float(((A @ w - b) ** 2).sum() / 120 + λ * w.abs().sum())
        rows.append((name, f"{int((w == 0).sum())} of 20", figure(float(w.abs().min()), 3), f"{value:.6f}"))
    return rows


def refusal() -> str:
    """What the library says to a lasso before the rule."""
    try:
        optim.SGD([torch.zeros(1)], lr=0.1, weight_decay=0.1, decay="coupled", regularizer=own.L1())
    except ValueError as error:
        return f"“{error}”"
    raise AssertionError("the lasso has no gradient")


def _closed_forms(paper: Paper) -> None:
    paper.heading("Closed forms")
    paper.table(("", "R(w)", "prox_τ(y)"), [(t.name, t.value, t.prox) for t in REGULARIZERS.values()])


def _group_lasso(paper: Paper) -> None:
    paper.heading("The group lasso")
    paper.lines(["R(w) = Σ over blocks b of ‖w_b‖₂", "prox_τ(y)_b = y_b·max(1 − τ/‖y_b‖, 0)"])
    y = vector(3.0, -4.0, 0.3, 0.4, 0.05, -2.0).reshape(3, 2)
    grouped, single = own.GroupLasso(dim=1).prox(y, TAU), own.L1().prox(y, TAU)
    paper.prose(
        "The norm itself has the kink, at the block's 0, so a block vanishes as a whole or stays as a whole with its "
        "direction: a neuron, a filter, an input. The lasso would take single weights out of it."
    )
    paper.gap()
    rows = [(_pair(a), figure(norm(a), 4), _pair(b), _pair(c)) for a, b, c in zip(y, grouped, single, strict=True)]
    paper.figures(("block", "its norm", "group lasso", "lasso"), rows)
    τ = vector(0.5, 0.1)
    x = own.GroupLasso(dim=1).prox(y[:1], τ.reshape(1, 2))[0]
    left = float(((x - y[0]) / τ + x / norm(x)).abs().max())
    paper.prose(
        "Where each weight has a threshold of its own (`euclidean`), the block's norm is the root of one equation. "
        f"With τ = ({figure(0.5)}, {figure(0.1)}) the first block becomes {_pair(x)}, at which (x − y)/τ + x/‖x‖, "
        f"which must be 0, is {left:.0e} at most."
    )


def _pair(block: Tensor) -> str:
    return f"({', '.join(figure(float(x), 4) for x in block)})"


def _use(paper: Paper) -> None:
    paper.heading("In an optimizer", "L1 as an example; y = w − lr·u")
    legal = {n: d for n, d in NAMED.items() if algebra.composes(d, REGULARIZERS["L1"])}
    paper.pairs([(name, f"τ = {algebra.REACH[decay.multiplier]}") for name, decay in legal.items()])
    paper.prose("`halflife explain L1`, or another penalty's name, works one out digit by digit.")
    paper.heading("Sources")
    paper.bullets(
        [
            "Rockafellar 1976, monotone operators and the proximal point algorithm, https://doi.org/10.1137/0314056",
            "Parikh & Boyd 2014, proximal algorithms, https://doi.org/10.1561/2400000003",
            "Yuan & Lin 2006, the group lasso, https://doi.org/10.1111/j.1467-9868.2005.00532.x",
            "Decay No More 2023, https://iclr-blogposts.github.io/2023/blog/2023/adamw/",
        ]
    )


PROX = Topic(
    "prox",
    "the step that takes a penalty at the new weights",
    "what a prox is, what it looks like, why it gives exact zeros",
    (_definition, _pictures, _step, _zeros, _closed_forms, _group_lasso, _use),
)
