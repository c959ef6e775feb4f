"""``halflife convert``: one framework's weight decay in another's, or in all."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from ..conventions import SCHEDULES
from ..conventions import convert as converted
from .convert_table import show_all, show_one
from .wrapping import give_up

Decay = Annotated[
    float, typer.Argument(metavar="WEIGHT_DECAY", help="The weight decay in the framework that it is from.")
]
From = Annotated[str, typer.Option("--from", metavar="NAME", help="The framework it is from.")]
To = Annotated[
    str | None, typer.Option("--to", metavar="NAME", help="The framework it is for; without it, all of them.")
]
Rate = Annotated[float | None, typer.Option("--lr", help="The base learning rate; the framework's default without it.")]
Epsilon = Annotated[float | None, typer.Option("--eps", help="ε; the framework's default without it.")]
Betas = Annotated[str | None, typer.Option("--betas", metavar="β1,β2", help="The moments' decay rates.")]
Momentum = Annotated[float | None, typer.Option("--momentum", help="SGD's or Muon's momentum.")]
Schedule = Annotated[str | None, typer.Option("--schedule", help=f"Of the learning rate: {', '.join(SCHEDULES)}.")]
Steps = Annotated[int | None, typer.Option("--steps", help="The steps of the run: a schedule needs them.")]

Shape = Annotated[
    str | None, typer.Option("--shape", metavar="ROWS,COLUMNS", help="Of Muon's matrices, where their scale matters.")
]


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
    given: dict[str, Any] = {"lr": lr, "eps": eps, "momentum": momentum, "schedule": schedule, "steps": steps}
    try:
        into = partial(converted, weight_decay, source, betas=_betas(betas), shape=_shape(shape), **given)
        show_all(source, into) if target is None else show_one(into(target))
    except ValueError as error:
        give_up(str(error))


def _betas(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        β1, β2 = map(float, text.split(","))
    except ValueError:
        raise ValueError(f"--betas takes two numbers and a comma, such as 0.9,0.999; given: {text!r}.") from None
    return β1, β2


def _shape(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        rows, columns = map(int, text.split(","))
    except ValueError:
        raise ValueError(f"--shape takes rows and columns and a comma, such as 768,3072; given: {text!r}.") from None
    return rows, columns
