"""unit-scaling's optimizers of u-μP, by trajectory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from halflife.conventions import find

from .problem import ADAM, LRS, SGD, apart, peer, λ

pytestmark = pytest.mark.filterwarnings("ignore")
optim = peer("unit_scaling.optim")
uu = peer("unit_scaling")
KINDS: tuple[tuple[tuple[int, ...], str, int | None], ...] = (
    ((5, 9), "weight", None),
    ((5, 9), "weight", 3),
    ((4, 3, 2), "weight", None),
    ((7,), "weight", 2),
    ((7,), "bias", 5),
    ((7,), "norm", None),
    ((2, 5), "output", None),
)


def parameters() -> list[torch.nn.Parameter]:
    torch.manual_seed(0)
    return [uu.Parameter(torch.randn(shape, dtype=torch.float64), kind, depth) for shape, kind, depth in KINDS]


def walked(make: Any) -> np.ndarray:
    params = parameters()
    optimizer = make(params)
    first, rows = [group["lr"] for group in optimizer.param_groups], []
    for lr in LRS:
        for p in params:
            p.grad = torch.randn_like(p)
        for group, own in zip(optimizer.param_groups, first, strict=True):
            group["lr"] = own * lr / LRS[0]
        optimizer.step()
        rows.append(torch.cat([p.detach().flatten() for p in params]).numpy())
    return np.array(rows)


@pytest.mark.parametrize(("name", "independent"), [("unit-scaling", True), ("unit-scaling-dependent", False)])
def test_trajectory(name: str, independent: bool) -> None:
    real = walked(lambda params: optim.AdamW(params, **ADAM, independent_weight_decay=independent))
    assert apart(walked(lambda params: find(name).optimizer(params, **ADAM)), real) <= 1e-12
    assert apart(walked(lambda params: find(name).optimizer(params, **{**ADAM, "weight_decay": 0.0})), real) > 1e-2
    assert apart(walked(lambda params: torch.optim.AdamW(params, **ADAM)), real) > 1e-2, "the multiples show"


def test_independent_is_its_default_and_the_schedule_still_reaches_it() -> None:
    real = walked(lambda params: optim.AdamW(params, **{**ADAM, "weight_decay": 0.1}))
    ours = walked(lambda params: find("unit-scaling").optimizer(params, **{**ADAM, "weight_decay": 0.1}))
    assert apart(real, ours) <= 1e-12
    unscheduled = walked(lambda params: find("paper").optimizer(params, **{**ADAM, "weight_decay": 0.1}))
    assert apart(real, unscheduled) > 1e-2


@pytest.mark.parametrize(("kind", "settings"), [("Adam", ADAM), ("SGD", SGD)])
def test_trap_a_coupled_lambda_is_divided_too(kind: str, settings: dict[str, Any]) -> None:
    """Though nothing multiplies it by lr: λ/lr goes into the gradient."""
    groups = getattr(optim, kind)(parameters(), **settings).param_groups
    assert [group["weight_decay"] for group in groups] == [pytest.approx(λ / group["lr"]) for group in groups]
    assert groups[-1]["weight_decay"] == pytest.approx(λ / LRS[0]) == pytest.approx(3.0)


def test_trap_a_warm_up_from_zero_written_into_lr() -> None:
    with pytest.raises(ZeroDivisionError):
        optim.AdamW(parameters(), lr=0.0, weight_decay=λ)
    with pytest.raises(ValueError, match="peak learning rate"):
        find("unit-scaling").optimizer(parameters(), lr=0.0, weight_decay=λ)


def test_a_plain_parameter_among_its_own_is_refused_by_both() -> None:
    params = [*parameters(), torch.nn.Parameter(torch.ones(2, dtype=torch.float64))]
    for make in (optim.AdamW, find("unit-scaling").optimizer):
        with pytest.raises(ValueError, match="mup_type"):
            make(params, lr=0.1)
