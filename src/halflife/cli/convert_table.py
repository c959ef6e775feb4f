"""What ``halflife convert`` prints: one conversion in words, or a table of all."""

from __future__ import annotations

from collections.abc import Callable

import typer

from ..conventions import CONVENTIONS, Convention, Conversion, RuleOfThumb, find
from ..explain.paper import columns
from .letters import readable
from .wrapping import say, stacked, terminal_width

WIDTH = 110
COLUMNS = ("to", "weight decay", "lr", "ε", "", "decay off by", "step off by")


def show_one(result: Conversion) -> None:
    """The target's numbers, each on a line, what they do and how exactly; exits with 1 if there are none."""
    if result.settings is None:
        say(result.why, otherwise=WIDTH)
        if result.rule_of_thumb is not None:
            _show_rule_of_thumb(result.rule_of_thumb)
        raise typer.Exit(1)
    numbers = {"weight_decay": result.weight_decay} | result.changes
    for name, value in numbers.items():
        say(f"{name:<13} {value:.6g}")
    for name, value in result.flags.items():
        say(f"{name:<13} {value}")
    say(f"{'update':<13} {result.target.update}", indent=14)
    say(result.why, otherwise=WIDTH)
    if result.verdict == "approximate":
        decay, step = result.decay_bound, result.step_bound
        text = f"Bounds: what is left of a weight is off by at most {decay:.2g} of it, a step by {step:.2g} of it; "
        say(f"{text}{result.order}.", otherwise=WIDTH)


def _show_rule_of_thumb(thumb: RuleOfThumb) -> None:
    """Its numbers, the authors' own and the ranges, and who says so."""
    print("rule of thumb:")
    for name, value, (low, high) in (
        ("lr", thumb.settings.lr, thumb.lr),
        ("weight_decay", thumb.settings.weight_decay, thumb.weight_decay),
    ):
        lowest, highest = f"{low:.3g}", f"{high:.3g}"
        say(f"  {name:<13} {value:.6g}" + (f", from {lowest} to {highest}" if lowest != highest else ""))
    say(f"  {'update':<13} {thumb.target.update}", indent=16)
    say(f"{thumb.why} {thumb.source}.", otherwise=WIDTH)


def show_all(source: str, into: Callable[[str], Conversion]) -> None:
    """A row for each convention of the same rule; those that need the run's steps say so."""
    own = find(source)
    found = [COLUMNS, *(_row(name, into) for name, c in CONVENTIONS.items() if _belongs(c, own))]
    rows = [tuple(map(readable, row)) for row in found]
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    width = terminal_width() or WIDTH
    if sum(widths) + 2 * (len(widths) - 1) <= width:
        for row in rows:
            print("  ".join(cell + " " * (w - columns(cell)) for cell, w in zip(row, widths, strict=True)).rstrip())
    else:
        print("\n".join(line for row in rows[1:] for line in stacked(rows[0], row, width)))
    say(f"{own}: {own.update}")
    D = "‖v‖" if own.rule == "muon" else "√v̂"
    say(f"The differences are the largest: a step's is that of one where {D} is far below ε. --to NAME says why.")
    other = "timm-lion" if own.rule == "adam" else "torch"
    if into(other).rule_of_thumb is not None:
        say(f"For {'Lion' if other == 'timm-lion' else 'AdamW'} there is only a rule of thumb: --to {other} shows it.")


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
