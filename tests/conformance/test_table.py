"""Every cell of the table, in every engine that takes it, against the oracle."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from traceback import format_exc

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
CELLS = {variant: [cell for cell in TABLE if (cell.rule, cell.flag) == variant] for variant in VARIANTS}

each_variant = pytest.mark.parametrize(("rule", "flag"), VARIANTS)


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


@lru_cache(maxsize=1)
def undecayed(rule: str, flag: int) -> list[np.ndarray]:
    return by_oracle(Cell(rule, flag, "decoupled", L2()), scale=0.0)


@lru_cache(maxsize=4)
def expected(rule: str, flag: int) -> dict[Cell, tuple[float, list[np.ndarray]] | None]:
    """For each of a variant's cells the first multiple of λ at which the decay moves the weights by 100 tolerances,
    and where the equations move them to; None if there is none.
    """
    found: dict[Cell, tuple[float, list[np.ndarray]] | None] = {}
    for cell in CELLS[rule, flag]:
        runs = ((scale, by_oracle(cell, scale)) for scale in (1.0, 10.0, 100.0, 1000.0))
        seen = (run for run in runs if distance(run[1], undecayed(rule, flag)) >= 100 * TOLERANCE)
        found[cell] = next(seen, None)
    return found


def why_wrong(cell: Cell, engine: str) -> str | None:
    """What is wrong with a cell in this engine, if anything is."""
    seen = expected(cell.rule, cell.flag)[cell]
    if seen is None:
        return "the decay is too small to be seen"
    try:
        off = distance(by_library(cell, seen[0], engine=engine), seen[1])
    except Exception:
        return format_exc()
    return None if off <= TOLERANCE else f"off by {off:.3g}"


def all_right(cells: Iterable[Cell], engine: str) -> None:
    """Every one of the cells follows the equations, or an error that names each that does not."""
    tried = [(cell, why_wrong(cell, engine)) for cell in cells]
    wrong = [f"{cell}: {why}" for cell, why in tried if why]
    assert not wrong, f"in {engine} {len(wrong)} of {len(tried)} cells are wrong:\n" + "\n".join(wrong)


def test_table_is_the_whole_table() -> None:
    measured = [rule for rule, _ in VARIANTS if registry.entry_named(rule).rule.metric]
    assert len(TABLE) == len(VARIANTS) * (5 * 12 + 13 * 3) + len(measured) * (5 * 3 + 11)
    assert len(DECAYS) == 15
    assert {cell.decay for cell in TABLE} >= set(NAMED)


@each_variant
def test_eager_follows_the_equations(rule: str, flag: int) -> None:
    all_right(CELLS[rule, flag], "eager")


@each_variant
def test_foreach_follows_the_equations(rule: str, flag: int) -> None:
    all_right([cell for cell in CELLS[rule, flag] if cell.regularizer.separable], "foreach")


@pytest.mark.skipif(isinstance(load(), Missing), reason="the native engine is not built")
@pytest.mark.parametrize(("rule", "flag"), [v for v in VARIANTS if any(map(is_compiled, CELLS[v]))])
def test_native_follows_the_equations(rule: str, flag: int) -> None:
    all_right(filter(is_compiled, CELLS[rule, flag]), "native")


@each_variant
@pytest.mark.parametrize("engine", ["eager", "foreach"])
def test_no_decay_makes_all_decays_equal(rule: str, flag: int, engine: str) -> None:
    cells = [cell for decay in DECAYS if legal(cell := Cell(rule, flag, decay, L2()))]
    runs = [by_library(cell, scale=0.0, engine=engine) for cell in cells]
    assert all(distance(run, runs[0]) == 0 for run in runs)
    assert distance(runs[0], undecayed(rule, flag)) <= TOLERANCE


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
