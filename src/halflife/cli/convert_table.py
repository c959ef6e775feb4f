"""What ``halflife convert`` prints: one conversion in words, or a table of all."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import fill

import typer

from ..conventions import CONVENTIONS, Convention, Conversion, find

WIDTH = 110
COLUMNS = ("to", "weight decay", "lr", "ε", "", "decay off by", "step off by")


def show_one(result: Conversion) -> None:
    """The target's numbers, each on a line, what they do and how exactly; exits with 1 if there are none."""
    if result.settings is None:
        typer.echo(fill(result.why, WIDTH))
        raise typer.Exit(1)
    numbers = {"weight_decay": result.weight_decay} | result.changes
    for name, value in numbers.items():
        typer.echo(f"{name:<13} {value:.6g}")
    typer.echo(f"{'update':<13} {result.target.update}")
    typer.echo(fill(result.why, WIDTH))
    if result.verdict == "approximate":
        decay, step = result.decay_bound, result.step_bound
        text = f"Bounds: what is left of a weight is off by at most {decay:.2g} of it, a step by {step:.2g} of it; "
        typer.echo(fill(f"{text}{result.order}.", WIDTH))


def show_all(source: str, into: Callable[[str], Conversion]) -> None:
    """A row for each convention of the same rule; those that need the run's steps say so."""
    own = find(source)
    rows = [COLUMNS, *(_row(name, into) for name, c in CONVENTIONS.items() if _belongs(c, own))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    typer.echo(f"{own}: {own.update}")
    typer.echo("The differences are the largest: a step's is that of one where √v̂ is far below ε. --to NAME says why.")


def _belongs(convention: Convention, own: Convention) -> bool:
    return convention.rule == own.rule


def _row(name: str, into: Callable[[str], Conversion]) -> tuple[str, ...]:
    if CONVENTIONS[name].amount == "normalized":
        try:
            into(name)
        except ValueError:
            return (name, "–", "–", "–", "give --steps", "", "")
    result = into(name)
    if result.settings is None:
        return (name, "–", "–", "–", "impossible", "", "")
    bounds = (_share(result.decay_bound), _share(result.step_bound))
    return (name, f"{result.weight_decay:.6g}", f"{result.lr:.6g}", f"{result.eps:.3g}", result.verdict, *bounds)


def _share(bound: float) -> str:
    return f"≤ {bound:.2g}" if bound else ""
