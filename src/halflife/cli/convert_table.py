"""What ``halflife convert`` prints: one conversion in words, or a table of all; without any package for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from ..conventions import CONVENTIONS, SCHEDULES, Convention, Conversion, RuleOfThumb, convert, find
from ..explain.paper import columns
from .letters import readable
from .wrapping import give_up, say, stacked, terminal_width

WIDTH = 110
COLUMNS = ("to", "weight decay", "lr", "ε", "", "decay off by", "step off by")

SUMMARY = "Convert a weight decay from one framework's convention into another's, and say how exactly."
HELP = {
    "weight_decay": "The weight decay in the framework that it is from.",
    "from": "The framework it is from.",
    "to": "The framework it is for; without it, all of them.",
    "lr": "The base learning rate; the framework's default without it.",
    "eps": "ε; the framework's default without it.",
    "betas": "The moments' decay rates.",
    "momentum": "SGD's or Muon's momentum.",
    "schedule": f"Of the learning rate: {', '.join(SCHEDULES)}.",
    "steps": "The steps of the run: a schedule needs them.",
    "shape": "Of Muon's matrices, where their scale matters.",
}
"""What each argument of the command is, for both fronts."""


def show_conversion(
    weight_decay: float,
    source: str,
    target: str | None,
    lr: float | None,
    eps: float | None,
    betas: str | None,
    momentum: float | None,
    schedule: str | None,
    steps: int | None,
    shape: str | None,
) -> None:
    """Convert into one convention, or into all. What is wrong with an argument ends it with a sentence, and 2."""
    try:
        into = partial(
            convert,
            weight_decay,
            source,
            lr=lr,
            eps=eps,
            betas=_betas(betas),
            momentum=momentum,
            schedule=schedule,
            steps=steps,
            shape=_shape(shape),
        )
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


def show_one(result: Conversion) -> None:
    """The target's numbers, each on a line, what they do and how exactly; exits with 1 if there are none."""
    if result.settings is None:
        say(result.why, otherwise=WIDTH)
        if result.rule_of_thumb is not None:
            _show_rule_of_thumb(result.rule_of_thumb)
        sys.exit(1)
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
