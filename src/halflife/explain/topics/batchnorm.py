"""What decay does where normalization makes a weight's scale meaningless."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from ... import optimizers as optim
from ..expressions import figure
from ..paper import Paper
from .runs import Make, norm, normal, path
from .topic import Topic

INPUTS, BATCH, EXAMPLES = 200, 20, 4000
LR, LAM, STEPS, LAST = 0.1, 0.1, 500, 250


class Problem:
    """One unit under BatchNorm, z ↦ (z − mean)/std over the batch, with a logistic loss; labels by a teacher."""

    def __init__(self) -> None:
        self.data = normal(2, EXAMPLES, INPUTS)
        self.labels = (self.data @ normal(1, INPUTS)).sign()

    def batch(self, t: int) -> tuple[Tensor, Tensor]:
        """The examples and labels of step t."""
        at = t * BATCH % (EXAMPLES - BATCH)
        return self.data[at : at + BATCH], self.labels[at : at + BATCH]

    def loss(self, w: Tensor, t: int) -> Tensor:
        """The batch's loss."""
        data, labels = self.batch(t)
        z = data @ w
        y = (z - z.mean()) / z.std(correction=0)
        return torch.nn.functional.softplus(-y * labels).mean()

    def gradient(self, w: Tensor, t: int) -> Tensor:
        """Its gradient."""
        p = w.detach().clone().requires_grad_()
        self.loss(p, t).backward()  # pyright: ignore[reportUnknownMemberType]
        return torch.zeros_like(w) if p.grad is None else p.grad


def _scale(paper: Paper) -> None:
    paper.heading("The scale does not matter")
    paper.lines(["f(c·w) = f(w)  for c > 0", "⟨∇f(w), w⟩ = 0", "∇f(c·w) = ∇f(w)/c"])
    paper.prose(
        "A layer whose outputs are normalized computes the same whatever its weights' scale. So its gradient is at "
        "right angles to the weights, and the smaller the weights, the larger the gradient. One unit under "
        f"BatchNorm, with {INPUTS} inputs, a batch of {BATCH} and a logistic loss:"
    )
    problem, w = Problem(), normal(0, INPUTS)
    g = problem.gradient(w, 1)
    paper.gap()
    rows: list[tuple[str, ...]] = []
    for c in (1.0, 2.0, 10.0):
        h = problem.gradient(c * w, 1)
        cosine = float(h @ w / (norm(h) * norm(w)))
        rows.append(
            (figure(c), f"{float(problem.loss(c * w, 1)):.12f}", f"{cosine:.0e}", f"{float(norm(h) / norm(g)):.6f}")
        )
    paper.figures(("c", "f(c·w)", "cosine of ∇f and w", "‖∇f‖, relative"), rows)


def without_decay(factor: float, steps: int) -> float:
    """The largest difference in direction between SGD with decay and SGD without, its lr grown at each step."""
    problem, start = Problem(), normal(0, INPUTS) / INPUTS**0.5
    with_decay = path(lambda p: optim.SGD(p, lr=LR, weight_decay=LAM), start, problem.gradient, steps)

    def grown(w: Tensor, t: int) -> Tensor:
        return factor ** (1 - 2 * t) * problem.gradient(w, t)

    growing = path(lambda p: optim.SGD(p, lr=LR), start, grown, steps)
    pairs = zip(with_decay, growing, strict=True)
    return max(float((a / norm(a) - b / norm(b)).abs().max()) for a, b in pairs)


def _effective(paper: Paper) -> None:
    paper.heading("So decay is a learning rate")
    paper.lines(
        [
            "w = ‖w‖·e:   e⁺ ≈ e − lr/‖w‖²·∇f(e)    the effective learning rate: lr/‖w‖²",
            "‖w⁺‖² = (1 − lr·λ)²·‖w‖² + lr²·‖∇f(w)‖²    shrunk by decay, grown by each step",
        ]
    )
    factor = 1 - LR * LAM
    paper.prose(
        "A step at right angles makes the weights longer, so without decay lr/‖w‖² only falls. Decay makes them "
        "shorter, which lets it rise. There is nothing else that it could do: the function stays the same when w "
        "shrinks. Indeed, SGD with decay takes the very same course of functions as SGD without any, if lr grows by "
        f"the factor 1/(1 − lr·λ)² a step. {figure(100)} steps of each, lr = {figure(LR)}, λ = {figure(LAM)}: the "
        f"directions differ by {without_decay(factor, 100):.0e} at most, and by {without_decay(1.0, 100):.2f} if lr "
        "does not grow."
    )


def settled(make: Make, start: float = 1.0) -> tuple[float, float, list[Tensor]]:
    """The norm and the angle of a step, root mean squares of the last half of the run, and all weights."""
    problem = Problem()
    ws = path(make, start * normal(0, INPUTS) / INPUTS**0.5, problem.gradient, STEPS)
    norms = [norm(w) for w in ws[-LAST:]]
    angles = [
        math.acos(min(1.0, float(a @ b / (norm(a) * norm(b)))))
        for a, b in zip(ws[-LAST - 1 : -1], ws[-LAST:], strict=True)
    ]
    return _rms(norms), _rms(angles), ws


def _rms(x: Sequence[float]) -> float:
    return (sum(v * v for v in x) / len(x)) ** 0.5


def sgd(p: list[Tensor], lam: float = LAM) -> torch.optim.Optimizer:
    """SGD with decay in the gradient, or without momentum any other way: the same."""
    return optim.SGD(p, lr=LR, weight_decay=lam)


def adam_w(p: list[Tensor], beta1: float = 0.0) -> torch.optim.Optimizer:
    """AdamW at the same lr·λ."""
    return optim.AdamW(p, lr=LR / 10, weight_decay=10 * LAM, betas=(beta1, 0.99))


def _equilibrium(paper: Paper) -> None:
    paper.heading("Equilibrium", f"lr·λ = {figure(LR * LAM)}, a new batch each step")
    paper.lines(
        [
            "2·lr·λ·‖w‖² = lr²·‖∇f(w)‖²    where growth and decay cancel",
            "‖∇f(w)‖/‖w‖ = √(2·λ/lr)",
            "angle of a step = lr·‖∇f(w)‖/‖w‖ = √(2·lr·λ)    in radians",
        ]
    )
    problem = Problem()
    long_, angle, ws = settled(sgd, 4.0)
    short, _, others = settled(sgd, 0.4)
    unstopped = settled(partial(sgd, lam=0.0), 0.4)[2]
    marks = (0, 50, 100, 200, 500)
    paper.gap()
    runs = (("from 4", ws), ("from 0.4", others), ("λ = 0", unstopped))
    paper.figures(("‖w‖ after", *map(str, marks)), [(n, *(f"{norm(r[k]):.3f}" for k in marks)) for n, r in runs])
    gradients = [norm(problem.gradient(w, t + 1)) for t, w in enumerate(ws[:-1])][-LAST:]
    paper.prose(
        f"However long the weights were at the start, the norm settles, in some 1/(lr·λ) = {figure(1 / (LR * LAM))} "
        f"steps: at {long_:.4f} and {short:.4f} over the last {LAST}. Measured there, beside the equations:"
    )
    paper.gap()
    rows = [
        ("angle of a step", f"{angle:.5f}", f"{math.sqrt(2 * LR * LAM):.5f}"),
        ("‖∇f(w)‖/‖w‖", f"{_rms(gradients) / long_:.4f}", f"{math.sqrt(2 * LAM / LR):.4f}"),
    ]
    paper.figures(("SGD", "measured", "predicted"), rows)
    paper.prose(
        "So in equilibrium lr·λ alone says how fast a normalized layer turns, and lr alone and λ alone say nothing: "
        "twice the lr at half the λ is the same course. It also says what happens when lr falls: ‖∇f‖/‖w‖ = "
        "√(2λ/lr) grows, which is why gradients swell at the end of a schedule (Defazio 2025; decay='corrected')."
    )


def _adam_w(paper: Paper) -> None:
    paper.heading("AdamW's equilibrium")
    paper.lines(
        [
            "‖w‖ = √(lr·n/(2·λ))    n weights, each of whose steps is about lr",
            "angle of a step = √(2·lr·λ·(1 − β₁)/(1 + β₁))    momentum spreads one gradient over many steps",
        ]
    )
    rows: list[tuple[str, ...]] = []
    for β in (0.0, 0.9):
        norm, angle, _ = settled(partial(adam_w, beta1=β))
        share = (1 - β) / (1 + β)
        norm_then, angle_then = math.sqrt(LR / 10 * INPUTS / (20 * LAM)), math.sqrt(2 * LR * LAM * share)
        rows.append((f"β₁ = {figure(β)}", f"{norm:.3f}", f"{norm_then:.3f}", f"{angle:.4f}", f"{angle_then:.4f}"))
    paper.figures(("AdamW", "‖w‖", "predicted", "angle", "predicted "), rows)
    paper.prose(
        "Adam's step has the same size whatever the gradients', so the equilibrium's norm has no gradient in it: every "
        "layer of n weights ends at the same norm and turns as fast as any other. With L2 in Adam, what is decayed "
        "depends on the gradients' size, and layers turn at different speeds; Kosson et al. 2023 see AdamW's advantage "
        "in that. The prediction takes steps as independent of the weights, which holds for noise, and is a few "
        "percent off here."
    )
    paper.prose(
        "This is one reading of the riddle that decay should not matter with BatchNorm and yet does (Zhang et al. "
        "2019; van Laarhoven 2017). What is not normalized (the last layer, biases, the norms' own scales) is "
        "decayed in the plain sense."
    )
    paper.heading("Sources")
    paper.bullets(
        [
            "van Laarhoven 2017, L2 regularization versus batch and weight normalization, "
            "https://arxiv.org/abs/1706.05350",
            "Zhang, Wang, Xu & Grosse 2019, three mechanisms of weight decay, https://arxiv.org/abs/1810.12281",
            "Li & Arora 2020, an exponential learning rate schedule, https://arxiv.org/abs/1910.07454",
            "Kosson, Messmer & Jaggi 2023, rotational equilibrium, https://arxiv.org/abs/2305.17212",
            "Defazio 2025, why gradients rapidly increase near the end of training, https://arxiv.org/abs/2506.02285",
        ]
    )


BATCHNORM = Topic(
    "batchnorm",
    "where normalization follows, decay is a learning rate",
    "what λ does to layers before BatchNorm or LayerNorm",
    (_scale, _effective, _equilibrium, _adam_w),
)
