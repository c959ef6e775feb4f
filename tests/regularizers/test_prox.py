"""Every prox against a brute-force argmin, every gradient against autograd's, and what cannot be is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, minimize_scalar

from halflife.decays import NAMED
from halflife.engines.foreach import TensorList
from halflife.regularizers import (
    KNOWN,
    L0,
    L1,
    L2,
    Box,
    ElasticNet,
    GroupLasso,
    Huber,
    LHalf,
    NonNegative,
    OnSubset,
    Regularizer,
    Scaled,
    Sum,
    TowardInit,
    build,
)
from halflife.rules import Adam
from halflife.update import check

ANCHOR = torch.tensor([0.3, -1.0, 0.0, 2.0, -0.2, 0.7], dtype=torch.float64)
MASK = torch.tensor([True, False, True, True, False, True])
COORDINATES: list[Regularizer] = [
    L2(),
    L1(),
    ElasticNet(0.3),
    L0(),
    LHalf(),
    Huber(0.7),
    Box(-0.5, 0.9),
    NonNegative(),
    TowardInit(ANCHOR),
    Scaled(2.5, L1()),
    Scaled(0.0, L0()),
    OnSubset(LHalf(), MASK),
    Sum(L1(), Scaled(0.5, L2()), L2()),
    Sum(L1(), Box(-0.5, 0.9), NonNegative(), L2()),
    Sum(L0(), L2()),
    Sum(TowardInit(ANCHOR), L2()),
]
BLOCKS: list[Regularizer] = [GroupLasso(1), GroupLasso((0, 1)), Scaled(1.7, GroupLasso(0)), Sum(GroupLasso(1), L2())]
TAUS: list[Any] = [0.0, 0.15, 1.3, torch.tensor([0.0, 0.1, 0.5, 1.0, 2.0, 5.0], dtype=torch.float64)]


def inputs() -> torch.Tensor:
    return torch.tensor([2.0, -1.4, 0.6, -0.35, 0.05, 4.0], dtype=torch.float64)


def brute_force(R: Regularizer, y: torch.Tensor, tau: torch.Tensor, i: int) -> float:
    """The best of a fine grid, refined, over one coordinate with the others held."""

    def objective(x: float) -> float:
        point = y.clone()
        point[i] = x
        value = float(R.value(point))
        return 1e9 if value == math.inf else 0.5 * (x - float(y[i])) ** 2 + float(tau[i]) * value

    grid = np.linspace(-5, 5, 401)  # holds 0, where the kinks and jumps are
    values = [objective(x) for x in grid]
    k = int(np.argmin(values))
    near = minimize_scalar(objective, bounds=(grid[max(0, k - 1)], grid[min(400, k + 1)]), method="bounded")
    return float(near.x) if near.fun < values[k] - 1e-12 else float(grid[k])


@pytest.mark.parametrize("tau", TAUS, ids=["0", "0.15", "1.3", "each its own"])
@pytest.mark.parametrize("R", COORDINATES, ids=repr)
def test_separable_prox_is_the_argmin(R: Regularizer, tau: Any) -> None:
    y = inputs()
    each = torch.as_tensor(tau, dtype=torch.float64).expand(6)
    at_rest = R.prox(y, 0.0)  # inside the bounds, if there are any: the other coordinates must not cost infinity
    expected = []
    for i in range(6):
        start = at_rest.clone()
        start[i] = y[i]
        expected.append(brute_force(R, start, each, i))
    got = R.prox(y, tau)
    assert got == pytest.approx(torch.tensor(expected, dtype=torch.float64), abs=2e-5)
    if not R.constraint and not torch.as_tensor(tau).eq(0).all() and Scaled(0.0, L0()) != R:
        assert (got - y).abs().max() > 2e-3, "the threshold is too small to be seen"


@pytest.mark.parametrize("tau", [0.0, 0.4, 1.5, "each"])
@pytest.mark.parametrize("R", BLOCKS, ids=repr)
def test_block_prox_is_the_argmin(R: Regularizer, tau: Any) -> None:
    generator = torch.Generator().manual_seed(3)
    y = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    if tau == "each":
        tau = torch.rand(3, 4, generator=generator, dtype=torch.float64) * 2
    each = torch.as_tensor(tau, dtype=torch.float64).expand(3, 4).clamp(min=1e-12)

    def objective(x: np.ndarray) -> float:
        point = torch.from_numpy(x.reshape(3, 4))
        return float(((point - y) ** 2 / (2 * each)).sum() + R.value(point))

    got = R.prox(y, tau)
    best = min(
        minimize(objective, start.numpy().ravel(), method="BFGS", options={"gtol": 1e-9}).fun
        for start in (y, got + 0.01, y * 0.5)
    )
    assert objective(got.numpy().ravel()) <= best + 1e-7 * (1 + abs(best))


def test_group_lasso_root_is_exact_at_extreme_thresholds() -> None:
    y = torch.tensor([[3.0, 4.0], [1e-3, 1e-3], [0.0, 0.0], [5.0, 1e-8]], dtype=torch.float64)
    tau = torch.tensor([[1e-12, 6.0], [1.0, 1e-9], [1.0, 1.0], [1e3, 1e-3]], dtype=torch.float64)
    x = GroupLasso(1).prox(y, tau)
    norm = x.norm(dim=1, keepdim=True)
    alive = norm > 0
    assert alive.flatten().tolist() == [True, True, False, False]
    residual = torch.where(alive, x - y + tau * x / norm.clamp(min=1e-300), 0.0)
    assert residual.abs().max() <= 1e-13


@pytest.mark.parametrize(
    "R", [L2(), Huber(0.7), TowardInit(ANCHOR), Scaled(3.0, Huber()), Sum(L2(), Huber(0.2))], ids=repr
)
def test_gradient_is_the_values_derivative(R: Regularizer) -> None:
    w = inputs().requires_grad_()
    R.value(w).backward()
    assert R.grad(w.detach()) == pytest.approx(w.grad, abs=1e-14)
    assert R.descend(w.detach(), 0.1) == pytest.approx(w.detach() - 0.1 * w.grad, abs=1e-14)


@pytest.mark.parametrize("R", COORDINATES, ids=repr)
def test_lists_of_tensors_are_treated_as_tensors(R: Regularizer) -> None:
    if isinstance(R, OnSubset):
        pytest.skip("a mask has one shape")
    y = inputs()
    at = R.at(TensorList([ANCHOR, ANCHOR])) if R.anchored else R  # type: ignore[arg-type]
    got = at.prox(TensorList([y, 2 * y]), 0.4)  # type: ignore[arg-type]
    for x, single in zip(got.tensors, (y, 2 * y), strict=True):  # type: ignore[attr-defined]
        assert x == pytest.approx(R.prox(single, 0.4), abs=1e-15)


@pytest.mark.parametrize("R", COORDINATES + BLOCKS, ids=repr)
def test_spec_rebuilds_the_same_function(R: Regularizer) -> None:
    rebuilt = build(R.spec(), KNOWN)
    if R.anchored:
        R, rebuilt = R.at(ANCHOR), rebuilt.at(ANCHOR)
    y = inputs() if R.separable else inputs().reshape(2, 3)
    assert torch.equal(rebuilt.prox(y, 0.4), R.prox(y, 0.4))


@pytest.mark.parametrize(
    ("R", "treatments"),
    [
        (L1(), ["euclidean", "proximal", "proximal_lr"]),
        (GroupLasso(), ["euclidean", "proximal", "proximal_lr"]),
        (Sum(L1(), L0()), []),
        (Sum(L0(), Box()), []),
        (Sum(L2(), Huber(), TowardInit()), ["cautious", "corrected", "coupled", "decoupled", "independent"]),
        (L2(), list(NAMED)),
    ],
    ids=repr,
)
def test_legality_names_what_would_work(R: Regularizer, treatments: list[str]) -> None:
    for name, decay in NAMED.items():
        if name in treatments:
            check(Adam, decay, R)
        else:
            with pytest.raises(ValueError, match="no treatment" if not treatments else repr(treatments[0])):
                check(Adam, decay, R)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: ElasticNet(1.5), "from 0 .ridge. to 1"),
        (lambda: Huber(0.0), "positive"),
        (lambda: Box(1.0, 0.0), "lo ≤ hi"),
        (lambda: Scaled(-1.0, L1()), "at least 0"),
        (lambda: OnSubset(GroupLasso(), MASK), "cut the blocks"),
        (Sum, "at least one"),
        (lambda: GroupLasso(2).check(torch.zeros(3, 4)), "has such a dimension"),
        (lambda: OnSubset(L1(), MASK).check(torch.zeros(5)), "broadcast"),
        (lambda: TowardInit().grad(ANCHOR), "starting point"),
    ],
)
def test_errors_are_sentences(make: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make()


def test_values() -> None:
    w = torch.tensor([3.0, 0.0, -4.0])
    values = {L2(): 12.5, L1(): 7.0, L0(): 2.0, LHalf(): math.sqrt(3) + 2, Huber(1.0): 6.0, GroupLasso(0): 5.0}
    for R, expected in values.items():
        assert float(R.value(w)) == pytest.approx(expected)
    assert float(Box(-1, 1).value(w)) == float(NonNegative().value(w)) == math.inf
    assert float(OnSubset(L1(), torch.tensor([True, True, False])).value(w)) == 3.0
