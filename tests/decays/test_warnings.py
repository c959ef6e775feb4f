"""What is said of a decay that nobody can have meant, once, at the line that asked for it."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import halflife
from halflife.schedules import ConstantWD, CosineWD, WeightDecaySchedule


def ones() -> list[torch.Tensor]:
    return [torch.ones(3).requires_grad_()]


def said(do: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        do()
    assert {one.filename for one in told} <= {__file__}
    return [str(one.message) for one in told]


def step(optimizer: Any, times: int, then: Callable[[], Any] = lambda: None) -> None:
    for p in optimizer.param_groups[0]["params"]:
        p.grad = torch.ones_like(p)
    for _ in range(times):
        optimizer.step()
        then()


def test_a_share_that_looks_like_torchs_is_told() -> None:
    (text,) = said(lambda: halflife.AdamW(ones(), lr=1e-3, decay="independent", weight_decay=0.1))
    assert "each step at full learning rate takes 0.1 of the weights, half of them in 6.58 steps" in text
    assert "lr·λ = 0.0001" in text
    for silent in (
        lambda: halflife.AdamW(ones(), decay="independent", weight_decay=0.0099),
        lambda: halflife.AdamW(ones(), decay="independent"),
        lambda: halflife.AdamW(ones(), decay="decoupled", weight_decay=0.1),
        lambda: halflife.AdamW(ones(), decay="independent", weight_decay=halflife.HalfLife(steps=7)),
        lambda: halflife.AdamW(ones(), decay="proximal", regularizer=halflife.regularizers.L1(), weight_decay=0.1),
    ):
        assert said(silent) == []


@pytest.mark.parametrize("engine", [None, "eager"])
def test_a_schedule_that_is_never_stepped_is_told(engine: Any) -> None:
    schedule = CosineWD(0.1, 0.0, 10)
    optimizer = halflife.SGD(ones(), lr=0.1, weight_decay=schedule, engine=engine)
    assert said(lambda: step(optimizer, 9)) == []
    (text,) = said(lambda: step(optimizer, 30))
    assert "CosineWD has not moved in 10 steps of its optimizer, so that weight_decay stays 0.1" in text


@pytest.mark.parametrize("schedule", [CosineWD(0.1, 0.0, 10), ConstantWD(0.1)], ids=["stepped", "without a length"])
def test_a_schedule_that_is_stepped_or_has_no_end_is_silent(schedule: WeightDecaySchedule) -> None:
    optimizer = halflife.SGD(ones(), lr=0.1, weight_decay=schedule)
    move = schedule.step if schedule.length else lambda: None
    assert said(lambda: step(optimizer, 30, then=move)) == []


def test_a_schedule_that_is_overwritten_is_told() -> None:
    schedule = CosineWD(0.1, 0.0, 10)
    optimizer = halflife.SGD(ones(), lr=0.1, weight_decay=schedule)

    def both_write() -> None:
        schedule.step()
        optimizer.param_groups[0]["weight_decay"] = 0.3

    (text,) = said(lambda: step(optimizer, 5, then=both_write))
    assert "wrote weight_decay=0.0975528 into parameter group 0, where 0.3 is found" in text


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
def test_a_copy_of_optimizer_and_schedule_has_them_attached(duplicate: Callable[[Any], Any]) -> None:
    schedule = CosineWD(0.1, 0.0, 10)
    optimizer = halflife.SGD(ones(), lr=0.1, weight_decay=schedule)
    twin, its = duplicate((optimizer, schedule))
    step(twin, 5, then=its.step)
    assert twin.param_groups[0]["weight_decay"] == its.value == pytest.approx(0.05)
    assert optimizer.param_groups[0]["weight_decay"] == schedule.value == 0.1


def test_a_late_group_of_a_copy_decays_as_one_of_the_original() -> None:
    for optimizer in (original := halflife.AdamW(ones()), copy.deepcopy(original)):
        optimizer.add_param_group({"params": ones(), "decay": "independent"})
        assert optimizer.param_groups[1]["weight_decay"] == pytest.approx(1e-5)
