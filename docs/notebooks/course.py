"""What the course's notebooks share: one quiet style, figures with a text beside them, runs of an optimizer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import matplotlib as mpl
import torch
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

mpl.use("agg")  # figures are drawn by ``show`` alone
warnings.filterwarnings("ignore", "weight_decay=.* leaves the learning rate out")  # large here, so that it is seen
warnings.filterwarnings("ignore", "IProgress not found")  # tqdm's, of a bar that nothing here draws

INK, GREY, FAINT = "#1f2328", "#57606a", "#d8dee4"
BLUE, ORANGE, GREEN, PINK, SKY, GOLD = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, GOLD, INK)
"""Okabe and Ito's, which the colour-blind can tell apart."""

mpl.rcParams.update(
    {
        "figure.facecolor": "white",
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
        "font.size": 10,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "axes.titlesize": 10.5,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": FAINT,
        "grid.linewidth": 0.7,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "lines.linewidth": 1.8,
        "axes.prop_cycle": mpl.cycler(color=COLOURS),
    }
)
torch.set_num_threads(1)  # the tensors are small


def panels(columns: int = 1, width: float = 7.5, height: float = 3.2, **settings: Any) -> tuple[Figure, Any]:
    """A figure of so many panels in a row, in inches, and its axes: one, or an array of them."""
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(1, columns, **settings)


def show(figure: Figure, text: str) -> None:
    """Display a figure as PNG; ``text`` says what is seen, to those who do not see it."""
    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(200, Image.Quantize.MAXCOVERAGE).save(small, format="png", optimize=True)
    data = {"image/png": small.getvalue(), "text/plain": text}
    display(data, raw=True, metadata={"image/png": {"alt": text}})


def arrow(axis: Any, start: Sequence[float], end: Sequence[float], colour: str, label: str = "", **style: Any) -> None:
    """An arrow from one point of the plane to another."""
    look = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.8, "shrinkA": 0, "shrinkB": 0, **style}
    axis.annotate("", xy=tuple(end), xytext=tuple(start), arrowprops=look)
    if label:
        axis.plot([], [], color=colour, label=label)


def vector(*numbers: float) -> Tensor:
    """A float64 tensor."""
    return torch.tensor(numbers, dtype=torch.float64)


def run(
    make: Callable[..., torch.optim.Optimizer],
    start: Tensor,
    gradient: Callable[[Tensor], Tensor],
    steps: int = 1,
    schedule: Callable[[int], float] | None = None,
    **settings: Any,
) -> Tensor:
    """The path of an optimizer, ``[steps + 1, …]``; ``schedule`` gives η of step 0, 1, ….

    ``gradient`` is called with the weights and returns the gradient there.
    """
    w = start.clone().requires_grad_()
    optimizer = make([w], **settings)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule) if schedule else None
    path = [start.clone()]
    for _ in range(steps):
        w.grad = gradient(w.detach())
        optimizer.step()
        if rate:
            rate.step()
        path.append(w.detach().clone())
    return torch.stack(path)


def gap(a: Tensor, b: Tensor) -> float:
    """The largest difference between two tensors."""
    return float((a - b).abs().max())
