"""``halflife convert``: one framework's weight decay in another's, or in all."""

from __future__ import annotations

from typing import Annotated

import typer

from .convert_table import HELP, show_conversion

Decay = Annotated[float, typer.Argument(metavar="WEIGHT_DECAY", help=HELP["weight_decay"])]
From = Annotated[str, typer.Option("--from", metavar="NAME", help=HELP["from"])]
To = Annotated[str | None, typer.Option("--to", metavar="NAME", help=HELP["to"])]
Rate = Annotated[float | None, typer.Option("--lr", help=HELP["lr"])]
Epsilon = Annotated[float | None, typer.Option("--eps", help=HELP["eps"])]
Betas = Annotated[str | None, typer.Option("--betas", metavar="β1,β2", help=HELP["betas"])]
Momentum = Annotated[float | None, typer.Option("--momentum", help=HELP["momentum"])]
Schedule = Annotated[str | None, typer.Option("--schedule", help=HELP["schedule"])]
Steps = Annotated[int | None, typer.Option("--steps", help=HELP["steps"])]
Shape = Annotated[str | None, typer.Option("--shape", metavar="ROWS,COLUMNS", help=HELP["shape"])]


def convert(
    weight_decay: Decay,
    source: From = "torch",
    target: To = None,
    lr: Rate = None,
    eps: Epsilon = None,
    betas: Betas = None,
    momentum: Momentum = None,
    schedule: Schedule = None,
    steps: Steps = None,
    shape: Shape = None,
) -> None:
    """Convert a weight decay from one framework's convention into another's, and say how exactly."""
    show_conversion(weight_decay, source, target, lr, eps, betas, momentum, schedule, steps, shape)
