"""What a proximal operator is, and why it gives exact zeros."""

from __future__ import annotations

import torch

from ... import regularizers as own
from ..expressions import figure
from ..paper import Paper, Plot
from .topic import Topic

TAU = 0.5
DRAWN = (own.L2(), own.L1(), own.L0(), own.ElasticNet(0.5), own.Huber(0.5), own.Box(-1.0, 1.0))


def _definition(paper: Paper) -> None:
    paper.heading("Definition")
    paper.lines(["prox_τR(y) = argmin_x  ½‖x − y‖² + τ·R(x)"])


def _pictures(paper: Paper) -> None:
    paper.heading("Pictures", f"prox_τ(y) against y, τ = {figure(TAU)}; dotted: y itself")
    paper.plots([curve(R) for R in DRAWN])


def curve(R: own.Regularizer, reach: float = 2.0, points: int = 401) -> Plot:
    """prox_τ(y) against y, from −reach to reach."""
    y = torch.linspace(-reach, reach, points, dtype=torch.float64)
    xs, ys = [float(x) for x in y], [float(x) for x in R.prox(y, TAU)]
    return Plot(type(R).__name__, tuple(zip(xs, ys, strict=True)), tuple(zip(xs, xs, strict=True)), reach)


PROX = Topic(
    "prox",
    "the step that takes a penalty at the new weights",
    "to see what prox is, and why it gives exact zeros",
    (_definition, _pictures),
)
