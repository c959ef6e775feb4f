"""Every separable cell of the conformance table through the text that is generated for it, against the equations.

``make cuda-text`` runs this; the kernels are compiled by g++ with the engine's own flags, fifty at a time.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from halflife.regularizers import L2
from tests.conformance.cells import TABLE, VARIANTS, Cell
from tests.conformance.harness import STEPS, begin, by_oracle, distance, problem

from .deferred import Deferred, compiled_by, needs_compiler

pytestmark = needs_compiler
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2.5e-6}
SEPARABLE = [cell for cell in TABLE if cell.regularizer.separable]


@pytest.fixture(autouse=True)
def default_dtype(request: pytest.FixtureRequest) -> Any:
    """torch keeps ASGD's and NAdam's scalars in the default dtype; the oracle has nothing narrower than float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def queue(cell: Cell, scale: float, dtype: torch.dtype, processor: Deferred) -> tuple[list[torch.nn.Parameter], Any]:
    """Take the cell's steps, one launch for both groups each; the parameters, and what must live until then."""
    params, optimizer, scheduler = begin(cell, scale, "compiled", dtype)
    grads = [[torch.tensor(g, dtype=dtype) for g in own] for own in problem(cell)[1]]
    before = len(processor.launches)
    for k in range(STEPS):
        for p, own in zip(params, grads, strict=True):
            p.grad = own[k]
        optimizer.step()
        scheduler.step()
    assert len(processor.launches) == before + STEPS, f"{cell}: {optimizer.engines()[0].reason}"
    return params, (optimizer, grads)


@cache
def undecayed(rule: str, flag: int) -> list[np.ndarray]:
    return by_oracle(Cell(rule, flag, "decoupled", L2()), scale=0.0)


def visible(cell: Cell) -> tuple[float, list[np.ndarray]]:
    """The first multiple of λ at which the decay moves the weights by 100 tolerances, and where it moves them to."""
    for scale in (1.0, 10.0, 100.0, 1000.0):
        expected = by_oracle(cell, scale)
        if distance(expected, undecayed(cell.rule, cell.flag)) >= 1e-9:
            return scale, expected
    raise AssertionError("the decay is too small to be seen")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize(("rule", "flag"), VARIANTS)
def test_the_text_follows_the_equations(rule: str, flag: int, dtype: torch.dtype) -> None:
    processor, queued = Deferred(), list[Any]()
    cells = [cell for cell in SEPARABLE if (cell.rule, cell.flag) == (rule, flag)]
    with compiled_by(processor):
        for cell in cells:
            scale, expected = visible(cell)
            queued.append((cell, expected, *queue(cell, scale, dtype, processor)))
    processor.play()
    found = {
        str(cell): distance([p.detach().double().numpy() for p in params], last) for cell, last, params, _ in queued
    }
    wrong = {cell: off for cell, off in found.items() if not off <= TOLERANCE[dtype]}
    assert not wrong
    assert len(found) == len(cells)


def test_the_table_is_covered() -> None:
    assert len(SEPARABLE) == len(VARIANTS) * (5 * 14 + 11 * 4 - 8)
