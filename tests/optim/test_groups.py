"""Parameter groups: added, named, refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import halflife

from .users import (
    TORCH,
    apart,
    each,
    each_engine,
    flat,
    give_gradients,
    ours,
    theirs,
    train,
    weights,
)

pytestmark = pytest.mark.usefixtures("double_precision")


@each
def test_groups_have_their_own_settings_also_late(name: str) -> None:
    first, late = weights(seed=1), weights(seed=2)
    optimizer = ours(name)(first, lr=0.1)
    train(optimizer, 2)
    optimizer.add_param_group({"params": late, "lr": 0.02, "weight_decay": 0.3, "decay": "proximal"})
    alone = ours(name)(weights(seed=2), lr=0.02, weight_decay=0.3, decay="proximal")
    give_gradients(optimizer, 5)
    for p, q in zip(late, alone.param_groups[0]["params"], strict=True):
        q.grad = p.grad
    optimizer.step()
    alone.step()
    assert apart(flat(late), flat(alone.param_groups[0]["params"])) == 0
    assert optimizer.param_groups[1]["lr"] == 0.02


PAPER = {"decay": "independent"}


def test_a_late_group_has_the_default_of_its_own_treatment() -> None:
    """λ = 1e-2 is for lr·λ a step; taken as a share of the weights a step it is a thousandfold."""
    optimizer = halflife.AdamW(weights())
    optimizer.add_param_group({"params": weights(seed=1), **PAPER})
    expected = [halflife.AdamW(weights(), **more).param_groups[0]["weight_decay"] for more in ({}, PAPER)]
    assert [group["weight_decay"] for group in optimizer.param_groups] == expected == [1e-2, pytest.approx(1e-5)]


def bad_groups(own: torch.nn.Parameter) -> dict[str, Any]:
    free = torch.nn.Parameter(torch.ones(2, 2))
    return {
        "duplicate": {"params": [own]},
        "non-leaf": {"params": [free * 2]},
        "set": {"params": {free}},
        "not a dict": [free],
        "not a tensor": {"params": [1.0]},
        "named": {"params": [("w", free)]},
        "half named": {"params": [("w", free), own]},
        "no params": {"lr": 0.1},
        "twice": {"params": [free, free]},
    }


def refusal(optimizer_class: Any, case: str) -> tuple[Any, str, int]:
    """What it says to the bad group, and how many groups it has then."""
    optimizer = optimizer_class(weights())
    with pytest.raises((TypeError, ValueError, KeyError, UserWarning)) as caught:
        optimizer.add_param_group(bad_groups(optimizer.param_groups[0]["params"][0])[case])
    return caught.type, str(caught.value), len(optimizer.param_groups)


@each
@pytest.mark.parametrize("case", bad_groups(torch.nn.Parameter(torch.ones(1))))
def test_bad_groups_are_refused_as_in_torch(name: str, case: str) -> None:
    expected = refusal(theirs(name if name in TORCH else "Adam"), case)
    assert refusal(ours(name), case) == expected
    assert expected[2] == 1


@each
def test_single_tensor_and_generator_of_parameters(name: str) -> None:
    p, q = weights()
    optimizer = ours(name)(iter([p]))
    optimizer.add_param_group({"params": q})
    assert [group["params"] for group in optimizer.param_groups] == [[p], [q]]


@each
def test_named_parameters(name: str) -> None:
    model = torch.nn.RNNCell(3, 2, bias=False)
    optimizer = ours(name)(model.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight_ih", "weight_hh"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight_ih", "weight_hh"]
    before = flat(list(model.parameters()))
    assert apart(train(optimizer, 1).float(), before) > 0


@each
@each_engine
def test_zero_grad_both_ways(name: str, engine: dict[str, bool]) -> None:
    optimizer = ours(name)(weights(), **engine)
    give_gradients(optimizer, 0)
    grads = [p.grad for p in optimizer.param_groups[0]["params"]]
    optimizer.zero_grad(set_to_none=False)
    assert all((g == 0).all() for g in grads)
    assert [p.grad for p in optimizer.param_groups[0]["params"]] == grads
    optimizer.zero_grad()
    assert [p.grad for p in optimizer.param_groups[0]["params"]] == [None, None]


@each
@each_engine
def test_maximize_is_minimizing_the_negative(name: str, engine: dict[str, bool]) -> None:
    up, down = (ours(name)(weights(), lr=0.1, weight_decay=0.2, maximize=m, **engine) for m in (True, False))
    for k in range(4):
        for optimizer, sign in ((up, -1), (down, 1)):
            give_gradients(optimizer, k)
            for p in optimizer.param_groups[0]["params"]:
                p.grad *= sign
            optimizer.step()
    assert apart(flat(up.param_groups[0]["params"]), flat(down.param_groups[0]["params"])) == 0
