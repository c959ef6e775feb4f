"""Every cell of the table, in every engine that takes it, against the oracle."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from halflife import registry
from halflife.decays import NAMED
from halflife.engines.library import Missing, load
from halflife.regularizers import L1, L2, Sphere

from .cells import DECAYS, FLAGS, TABLE, VARIANTS, Cell, legal
from .harness import by_library, by_oracle, distance

TOLERANCE = 1e-11
UNDECAYED: dict[tuple[str, int], list[np.ndarray]] = {}


@pytest.fixture(autouse=True)
def double_precision():
    """torch keeps ASGD's and NAdam's scalars in the default dtype; the oracle has nothing narrower than float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def is_compiled(cell: Cell) -> bool:
    """Whether the native engine must take this cell: group lasso not with a threshold a coordinate, not with ASGD."""
    if registry.entry_named(cell.rule).rule.functor is None or "direction" in cell.options:
        return False
    if isinstance(cell.regularizer, Sphere):
        return False
    return cell.regularizer.separable or not (cell.treatment.needs_metric or cell.rule == "asgd")


def undecayed(cell: Cell) -> list[np.ndarray]:
    key = cell.rule, cell.flag
    if key not in UNDECAYED:
        UNDECAYED[key] = by_oracle(Cell(*key, "decoupled", L2()), scale=0.0)
    return UNDECAYED[key]


def visible(cell: Cell) -> tuple[float, list[np.ndarray]]:
    """The first multiple of λ at which the decay moves the weights by 100 tolerances, and where it moves them to."""
    for scale in (1.0, 10.0, 100.0, 1000.0):
        expected = by_oracle(cell, scale)
        if distance(expected, undecayed(cell)) >= 100 * TOLERANCE:
            return scale, expected
    raise AssertionError("the decay is too small to be seen")


def test_table_is_the_whole_table() -> None:
    measured = [rule for rule, _ in VARIANTS if registry.entry_named(rule).rule.metric]
    assert len(TABLE) == len(VARIANTS) * (5 * 12 + 13 * 3) + len(measured) * (5 * 3 + 11)
    assert len(DECAYS) == 15
    assert {cell.decay for cell in TABLE} >= set(NAMED)


@pytest.mark.parametrize("cell", TABLE, ids=str)
def test_eager_follows_the_equations(cell: Cell) -> None:
    scale, expected = visible(cell)
    assert distance(by_library(cell, scale, engine="eager"), expected) <= TOLERANCE


@pytest.mark.parametrize("cell", [c for c in TABLE if c.regularizer.separable], ids=str)
def test_foreach_follows_the_equations(cell: Cell) -> None:
    scale, expected = visible(cell)
    assert distance(by_library(cell, scale, engine="foreach"), expected) <= TOLERANCE


@pytest.mark.skipif(isinstance(load(), Missing), reason="the native engine is not built")
@pytest.mark.parametrize("cell", [c for c in TABLE if is_compiled(c)], ids=str)
def test_native_follows_the_equations(cell: Cell) -> None:
    scale, expected = visible(cell)
    assert distance(by_library(cell, scale, engine="native"), expected) <= TOLERANCE


@pytest.mark.parametrize(("rule", "flag"), VARIANTS)
@pytest.mark.parametrize("engine", ["eager", "foreach"])
def test_no_decay_makes_all_decays_equal(rule: str, flag: int, engine: str) -> None:
    cells = [cell for decay in DECAYS if legal(cell := Cell(rule, flag, decay, L2()))]
    runs = [by_library(cell, scale=0.0, engine=engine) for cell in cells]
    assert all(distance(run, runs[0]) == 0 for run in runs)
    assert distance(runs[0], undecayed(Cell(rule, flag, "coupled", L2()))) <= TOLERANCE


UNIT = [(r, k) for r, k in VARIANTS if r in ("sgd", "asgd", "rprop", "lion") and "direction" not in FLAGS[r][k]]


@pytest.mark.parametrize(("rule", "flag"), UNIT)
@pytest.mark.parametrize("regularizer", [L2(), L1()])
def test_unit_metric_makes_proximal_lr_and_euclidean_equal(rule: str, flag: int, regularizer: L1 | L2) -> None:
    a, b = (by_library(Cell(rule, flag, decay, regularizer)) for decay in ("proximal_lr", "euclidean"))
    assert distance(a, b) == 0


@pytest.mark.parametrize("rule", ["adam", "rmsprop", "adagrad"])
def test_another_metric_does_not(rule: str) -> None:
    a, b = (by_library(Cell(rule, 0, decay, L2())) for decay in ("proximal_lr", "euclidean"))
    assert distance(a, b) > 1e-3
