"""Every separable cell of the conformance table through the text that is generated for it, against the equations.

``make cuda-text`` runs all but "all of the cells in float32"; the kernels are compiled by g++ with the engine's own
flags, fifty at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from halflife.registry import entry_named
from halflife.regularizers import L2
from tests.conformance.cells import FLAGS, TABLE, VARIANTS, Cell
from tests.conformance.harness import STEPS, begin, by_library, by_oracle, distance, problem

from .deferred import Deferred, compiled_by, needs_compiler

pytestmark = [needs_compiler, pytest.mark.slow]
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2.5e-6}


@pytest.fixture(autouse=True)
def double_precision() -> Any:
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


def visible(cell: Cell, tolerance: float) -> tuple[float, list[np.ndarray]]:
    """The first multiple of λ at which the decay moves the weights by 100 tolerances, and where it moves them to."""
    for scale in (1.0, 10.0, 100.0, 1000.0):
        expected = by_oracle(cell, scale)
        if distance(expected, undecayed(cell.rule, cell.flag)) >= 100 * tolerance:
            return scale, expected
    raise AssertionError("the decay is too small to be seen")


def wrong_of(cells: Sequence[Cell], dtype: torch.dtype) -> dict[str, float]:
    """The cells whose text does not follow the equations, and by how much."""
    processor, queued = Deferred(), list[Any]()
    with compiled_by(processor):
        for cell in cells:
            scale, expected = visible(cell, TOLERANCE[dtype])
            queued.append((cell, scale, expected, *queue(cell, scale, dtype, processor)))
    processor.play()
    wrong = dict[str, float]()
    for cell, scale, expected, params, _ in queued:
        off = distance([p.detach().double().numpy() for p in params], expected)
        if not off <= TOLERANCE[dtype] and not (
            dtype is torch.float32 and off <= 2 * eager_is_off(cell, scale, expected)
        ):
            wrong[str(cell)] = off
    return wrong


def eager_is_off(cell: Cell, scale: float, expected: list[np.ndarray]) -> float:
    """How far float32 is from the equations by itself: a threshold near a jump, a variance that is a difference."""
    torch.set_default_dtype(torch.float32)
    return distance([w.astype(float) for w in by_library(cell, scale, "eager", dtype=torch.float32)], expected)


OF_COORDINATES = [
    (rule, flag)
    for rule, flag in VARIANTS
    if entry_named(rule).rule.acts_on == "coordinates" and "direction" not in FLAGS[rule][flag]
]
"""A normalized direction has a norm, of the whole tensor."""
each_variant = pytest.mark.parametrize(("rule", "flag"), OF_COORDINATES)


@each_variant
def test_the_text_follows_the_equations(rule: str, flag: int) -> None:
    assert not wrong_of(of_variant(rule, flag), torch.float64)


@each_variant
def test_a_third_of_the_cells_in_float32(rule: str, flag: int) -> None:
    torch.set_default_dtype(torch.float32)
    assert not wrong_of(of_variant(rule, flag)[flag % 3 :: 3], torch.float32)


@each_variant
def test_all_of_the_cells_in_float32(rule: str, flag: int) -> None:
    torch.set_default_dtype(torch.float32)
    assert not wrong_of(of_variant(rule, flag), torch.float32)


def of_variant(rule: str, flag: int) -> list[Cell]:
    return [cell for cell in TABLE if (cell.rule, cell.flag) == (rule, flag) and cell.regularizer.separable]


def test_the_table_is_covered() -> None:
    cells = [cell for variant in OF_COORDINATES for cell in of_variant(*variant)]
    assert len(cells) == len(OF_COORDINATES) * (4 * 14 + 11 * 5)  # implicit × proxes, other treatments × gradients
