"""What each framework's AdamW takes off a weight, measured on the library's optimizer for its convention."""

from __future__ import annotations

from itertools import pairwise
from warnings import catch_warnings, simplefilter

import torch

from ...conventions import CONVENTIONS
from ..expressions import figure
from ..paper import Paper

SHOWN = (
    "paper",
    "loshchilov-hutter-dec",
    "zhuang-prox",
    "torch",
    "keras",
    "optax",
    "timm-corrected",
    "optimi-decoupled-lr",
    "tensorflow-addons",
    "fairseq",
    "huggingface-former",
)
LR, LAM, FALL = 1e-3, 0.01, 0.1


def shares(name: str) -> tuple[float, float]:
    """The share of a weight without a gradient that one step takes, at lr and after lr fell to ``FALL`` of it."""
    p = torch.ones(1, dtype=torch.float64, requires_grad=True)
    p.grad, weights = torch.zeros_like(p), [1.0]
    with catch_warnings():
        simplefilter("ignore")  # the example's λ is nobody's choice
        optimizer = CONVENTIONS[name].optimizer([p], lr=LR, weight_decay=LAM)
        for lr in (LR, LR * FALL):
            optimizer.param_groups[0]["lr"] = lr
            optimizer.step()
            weights.append(float(p.detach()))
    first, second = (1 - after / before for before, after in pairwise(weights))
    return first, second


def show_frameworks(paper: Paper) -> None:
    """A row for each of some frameworks."""
    paper.heading("What each framework does", f"the same lr = {figure(LR)} and λ = {figure(LAM)} given to each")
    paper.prose("The share of a weight that a step's decay takes: at lr, and after lr fell to a tenth.")
    paper.gap()
    rows: list[tuple[str, str, str, str]] = []
    taken = {name: shares(name) for name in SHOWN}
    for name, (at_lr, later) in taken.items():
        rows.append((name, figure(at_lr, 4), figure(later, 4), CONVENTIONS[name].update))
    first = [at_lr for at_lr, _ in taken.values()]
    paper.table(("", "at lr", "at lr/10", "update"), rows)
    paper.prose(
        f"The same λ takes up to {max(first) / min(first):,.0f} "
        "times as much in one as in another; `halflife convert` says it in another's words, for all "
        f"{len(CONVENTIONS)} conventions."
    )
