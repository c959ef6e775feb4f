"""The worked example: the notebook's, for any optimizer, by the recorded text and by the optimizer itself.

Two parameters in float64, of shapes (2, 4) and (4,); the loss is (p1²).sum() + (p2³).sum(), so that g = 2w and g = 3w².
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .. import optim
from ..update import Update
from .coordinate import Clock, Coordinate
from .derivation import WorkedLine
from .expressions import figure
from .names import optimizer_class
from .optimizers import OPTIMIZERS

GRADIENT1 = ((1.4953, 1.2757, 1.0132, 0.1502), (1.2270, 1.9302, 0.6604, 1.8370))
GRADIENT2 = (1.0079, 2.6933e-4, 1.0688, 1.1233)
"""The notebook's printed gradients, from which its parameters follow: p1 = g/2, p2 = √(g/3)."""

NOTEBOOK_AFTER = (
    torch.tensor([[0.5966, 0.5090, 0.4043, 0.0599], [0.4896, 0.7701, 0.2635, 0.7330]], dtype=torch.float64),
    torch.tensor([0.4777, 0.0094, 0.4888, 0.4984], dtype=torch.float64),
)
"""What it prints after one step of SGD."""

NOTEBOOK: Mapping[str, Any] = {"lr": 0.1, "weight_decay": 0.02}
STEPS, FALL = 10, 0.9
"""From the second step on lr falls by a tenth a step, so that decays that differ by the schedule differ."""


@dataclass(frozen=True)
class Worked:
    """One example, worked out. ``lines`` and the three numbers are of p1[0,0] in the first step.

    ``recorded`` is the weight by the lines, ``own`` by the optimizer, ``twin`` by torch's class. ``own_error`` and
    ``twin_error`` are the largest differences over all twelve weights, in the first step and over all ``STEPS`` of
    them: of the lines from the optimizer, and of the optimizer from torch's class (None without one).
    """

    settings: Mapping[str, Any]
    lines: tuple[WorkedLine, ...]
    recorded: float
    own: float
    twin: float | None
    twin_name: str | None
    engine: str
    before: tuple[Tensor, Tensor]
    after: tuple[Tensor, Tensor]
    path: list[list[float]]
    own_error: tuple[float, float]
    twin_error: tuple[float, float] | None


def worked(optimizer: str | type[optim.Optimizer], decay: str | None = None, **changes: Any) -> Worked:
    """Work the example for a public optimizer or a class of one's own, under its default decay or another named one.

    ``changes`` go to the optimizer's own constructor only, so that a test can see the difference grow.
    Raises :class:`halflife.engines.trace.UntraceableError` where the rule looks at more than one coordinate.
    """
    kind = optimizer_class(optimizer) if isinstance(optimizer, str) else optimizer
    text = OPTIMIZERS.get(kind.__name__)
    settings = {**(NOTEBOOK if kind.__name__ != "Rprop" else {"lr": NOTEBOOK["lr"]}), **(text.example if text else {})}
    settings |= {"decay": decay} if decay else {}
    own = _Run(kind, {**settings, **changes})
    plain = text.twin if text and decay is None else None
    twin = _Run(getattr(torch.optim, plain), settings) if plain else None
    lines, path = _recorded(own.optimizer)
    return Worked(
        settings=settings,
        lines=lines,
        recorded=path[0][0],
        own=own.path[0][0],
        twin=twin.path[0][0] if twin else None,
        twin_name=plain,
        engine=own.engine,
        before=start(),
        after=own.after,
        path=path,
        own_error=_errors(path, own.path),
        twin_error=_errors(own.path, twin.path) if twin else None,
    )


def update_of(name: str, decay: str | None = None) -> Update:
    """rule × decay × regularizer of a public optimizer, by default or under another treatment."""
    settings = {"decay": decay} if decay else {}
    return _update(optimizer_class(name)([torch.zeros(1, requires_grad=True)], **settings))


def _update(optimizer: Any) -> Update:
    """rule × decay × regularizer of an optimizer's first parameter group."""
    return optimizer.view(optimizer.param_groups[0]).update


def start() -> tuple[Tensor, Tensor]:
    """The notebook's two parameters."""
    p1 = torch.tensor(GRADIENT1, dtype=torch.float64) / 2
    return p1, (torch.tensor(GRADIENT2, dtype=torch.float64) / 3).sqrt()


def rates() -> list[float]:
    """The learning rate of each step."""
    return [NOTEBOOK["lr"] * FALL**t for t in range(STEPS)]


class _Run:
    """An optimizer's own steps: ``path[t][i]`` is weight i after step t+1."""

    def __init__(self, kind: type[torch.optim.Optimizer], settings: Mapping[str, Any]) -> None:
        params = [p.requires_grad_() for p in start()]
        optimizer = kind(params, **settings)
        self.path: list[list[float]] = []
        self.engine = ""
        for lr in rates():
            optimizer.param_groups[0]["lr"] = lr
            optimizer.zero_grad()
            loss = (params[0] ** 2).sum() + (params[1] ** 3).sum()
            loss.backward()  # pyright: ignore[reportUnknownMemberType]
            optimizer.step()
            if not self.path:
                self.after = params[0].detach().clone(), params[1].detach().clone()
                self.engine = _engine(optimizer)
            self.path.append([float(w) for p in params for w in p.detach().flatten()])
        self.optimizer = optimizer


def _engine(optimizer: torch.optim.Optimizer) -> str:
    return optimizer.engines()[0].name if isinstance(optimizer, optim.Optimizer) else ""


def _recorded(optimizer: torch.optim.Optimizer) -> tuple[tuple[WorkedLine, ...], list[list[float]]]:
    """The first weight's lines in the first step, and every weight's path."""
    update, λ = _update(optimizer), float(optimizer.param_groups[0]["weight_decay"])
    p1, p2 = start()
    weights = [Coordinate(update, float(w)) for p in (p1, p2) for w in p.flatten()]
    lines, path = list[WorkedLine](), list[list[float]]()
    for t, lr in enumerate(rates(), start=1):
        clock = Clock(t, lr, lr / NOTEBOOK["lr"], λ)
        w = weights[0].w
        worked = [x.step(clock, 2 * x.w if i < p1.numel() else 3 * (x.w * x.w)) for i, x in enumerate(weights)]
        lines = lines or [WorkedLine("g", "2·w", f"2·{figure(w)}", 2 * w), *worked[0]]
        path.append([x.w for x in weights])
    return tuple(lines), path


def _errors(a: list[list[float]], b: list[list[float]]) -> tuple[float, float]:
    largest = [max(abs(x - y) for x, y in zip(*step, strict=True)) for step in zip(a, b, strict=True)]
    return largest[0], max(largest)
