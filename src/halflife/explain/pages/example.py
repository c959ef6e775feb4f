"""The worked example on paper: line by line, and beside the optimizer's own step."""

from __future__ import annotations

from collections.abc import Sequence
from warnings import catch_warnings, simplefilter

from torch import Tensor

from ...optim import Optimizer
from ..derivation import WorkedLine
from ..expressions import figure
from ..paper import Cell, Paper, Step
from ..worked import NOTEBOOK_AFTER, STEPS, Worked, worked

PROBLEM = {
    1: "A parameter p1 (2, 4) in float64; the loss is (p1²).sum(), so that g = 2w.",
    2: "Parameters p1 (2, 4) and p2 (4,) in float64; the loss is (p1²).sum() + (p2³).sum(), so that g = 2w in p1 and "
    "3w² in p2.",
}
"""By the number of parameters that the rule takes."""
ROUNDING = 1e-14
"""Differences up to here are rounding: the weights are about 1, in float64."""


def show_example(paper: Paper, optimizer: str | type[Optimizer], decay: str | None) -> None:
    """Work the example out, now, and print it: of an optimizer here, by its name, or of a class made elsewhere."""
    with catch_warnings():
        simplefilter("ignore")  # the example's λ is nobody's choice
        result = worked(optimizer, decay)
    name = optimizer if isinstance(optimizer, str) else optimizer.__name__
    settings = ", ".join(f"{key}={value!r}" for key, value in result.settings.items())
    paper.heading("A worked step")
    paper.prose(PROBLEM[len(result.before)])
    if result.whole:
        paper.prose(f"There is none for one weight: {result.whole}. {name}({settings}) itself, the weight p1[0,0]:")
    else:
        paper.prose(f"{name}({settings}), the weight p1[0,0] = {figure(float(result.before[0][0, 0]))}:")
        paper.gap()
        show_lines(paper, result.lines)
    paper.gap()
    own = f"halflife.{name}" if isinstance(optimizer, str) else f"{optimizer.__module__}.{name}"
    _compare(paper, own, result)
    paper.gap()
    _weights(paper, result)
    if result.singular is not None:
        paper.prose("Singular values of p1's gradient, and of the direction u that became of it:")
        paper.pairs(list(zip("gu", ["  ".join(f"{σ:.4f}" for σ in each) for each in result.singular], strict=True)))


def show_lines(paper: Paper, lines: Sequence[WorkedLine]) -> None:
    """A derivation, line by line."""
    paper.derivation([_step(line) for line in lines])


def _step(line: WorkedLine) -> Step:
    """The line's texts, without figures that only repeat the value."""
    sign = "←" if line.again else "="
    letters = "" if line.letters == line.figures else f"{sign} {line.letters}"
    figures = "" if line.figures == figure(line.value) else f"= {line.figures}"
    return Step(line.letter, letters, figures, f"= {figure(line.value, 10)}", line.remark)


def _compare(paper: Paper, own: str, result: Worked) -> None:
    theirs = f"torch.optim.{result.twin_name}"
    values = [(own, result.own, f"  {result.engine} engine")]
    errors: list[tuple[str, tuple[float, float]]] = []
    if result.recorded is not None and result.own_error is not None:
        values.insert(0, ("these lines", result.recorded, ""))
        errors.append(("these lines − halflife", result.own_error))
    if result.twin is not None and result.twin_error is not None:
        values.append((theirs, result.twin, ""))
        errors.append(("halflife − torch", result.twin_error))
    paper.pairs([(who, ((repr(w), "bold"), (what, "dim"))) for who, w, what in values])
    if not errors:
        return
    paper.gap()
    paper.prose("Largest differences over all weights, while lr falls by a tenth from step to step:")
    rows = [(who, *map(difference, pair)) for who, pair in errors]
    paper.figures(("", "1 step", f"{STEPS} steps"), rows)


def difference(error: float) -> Cell:
    """A difference, green where it is rounding and red where it is not."""
    return ((f"{error:.1e}" if error else "0", "green" if error <= ROUNDING else "bold red"),)


def _weights(paper: Paper, result: Worked) -> None:
    after = [_rounded(p) for p in result.after]
    printed = after == [_rounded(p) for p in NOTEBOOK_AFTER]
    paper.prose(f"All weights after the step{', the figures that the notebook prints' if printed else ''}:")
    paper.pairs(list(zip(("p1", "p2")[: len(after)], after, strict=True)))


def _rounded(p: Tensor) -> str:
    """Four digits after the point, as torch prints them; a row on each line."""
    width = 7 if (p < 0).any() else 6
    rows = [[f"{float(w):{width}.4f}".replace("-", "−") for w in row] for row in p.reshape(-1, 4)]
    return "\n".join("  ".join(row) for row in rows)
