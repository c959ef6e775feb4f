"""Copies: deepcopy and pickle."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch

import halflife
from halflife import regularizers as rz

from .users import (
    apart,
    each,
    flat,
    ours,
    train,
    weights,
)

pytestmark = pytest.mark.usefixtures("double_precision")


def by_pickle(optimizer: Any) -> Any:
    return pickle.loads(pickle.dumps(optimizer))


def by_torch_save(optimizer: Any) -> Any:
    buffer = io.BytesIO()
    torch.save(optimizer, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@each
@pytest.mark.parametrize("duplicate", [copy.deepcopy, by_pickle, by_torch_save])
def test_copies_go_on_alike_and_apart(name: str, duplicate: Callable[[Any], Any]) -> None:
    optimizer = ours(name)(weights(), lr=0.1, weight_decay=0.1, decay="proximal", regularizer=rz.L1())
    train(optimizer, 3)
    twin = duplicate(optimizer)
    expected = train(optimizer, 3, seed=1)
    assert apart(train(twin, 3, seed=1), expected) == 0
    assert apart(flat(optimizer.param_groups[0]["params"]), expected) == 0
    for each_one in (optimizer, twin):
        each_one.add_param_group({"params": weights(seed=3), "lr": 0.05})
    assert apart(train(optimizer, 2, seed=2), train(twin, 2, seed=2)) == 0
    assert {**optimizer.param_groups[1], "params": 0} == {**twin.param_groups[1], "params": 0}


@pytest.mark.parametrize("duplicate", [copy.deepcopy, by_pickle, by_torch_save])
def test_a_schedule_that_cannot_be_pickled_forbids_no_copy(duplicate: Callable[[Any], Any]) -> None:
    optimizer = ours("AdamW")(weights(), lr=0.1, weight_decay=halflife.schedules.LambdaWD(lambda k: 0.1 / (k + 1)))
    train(optimizer, 3)
    assert apart(train(duplicate(optimizer), 2, seed=1), train(optimizer, 2, seed=1)) == 0


@pytest.mark.parametrize("duplicate", [copy.deepcopy, by_pickle, by_torch_save])
@pytest.mark.parametrize("order", [1, -1], ids=["optimizer first", "schedule first"])
def test_late_groups_of_a_copy_follow_the_copied_schedule(duplicate: Callable[[Any], Any], order: int) -> None:
    schedule = halflife.schedules.LinearWD(0.1, 0.0, 10)
    optimizer = ours("AdamW")(weights(), lr=0.1, weight_decay=schedule)
    twin, copied = duplicate((optimizer, schedule)[::order])[::order]
    twin.add_param_group({"params": weights(seed=3)})
    copied.step()
    assert [group["weight_decay"] for group in twin.param_groups] == pytest.approx([0.09, 0.09])
    assert optimizer.param_groups[0]["weight_decay"] == 0.1
