"""A step that reuses the numbers of the last one must see every way in which a number can change beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import halflife

Group = dict[str, Any]


def scale(name: str, factor: float) -> Callable[[Group], None]:
    def change(group: Group) -> None:
        group[name] = group[name] * factor

    return change


def scale_in_place(group: Group) -> None:
    group["lr"].mul_(0.1)


def write_into_a_list(group: Group) -> None:
    group["betas"][0] = 0.5


CHANGES: dict[str, tuple[dict[str, Any], Callable[[Group], None]]] = {
    "lr": ({}, scale("lr", 0.1)),
    "lr tensor, in place": ({"lr": torch.tensor(0.1)}, scale_in_place),
    "lr tensor, replaced": ({"lr": torch.tensor(0.1)}, scale("lr", 0.1)),
    "λ": ({}, scale("weight_decay", 10)),
    "betas": ({}, lambda group: group.update(betas=(0.5, 0.9))),
    "betas in a list": ({"betas": [0.9, 0.99]}, write_into_a_list),
    "maximize": ({}, lambda group: group.update(maximize=True)),
    "decay": ({}, lambda group: group.update(decay="proximal")),
    "regularizer": ({"decay": "proximal"}, lambda group: group.update(regularizer=halflife.regularizers.L1())),
    "ema_decay": ({"ema_decay": 0.9}, lambda group: group.update(ema_decay=0.5)),
    "max_grad_norm": ({"max_grad_norm": 0.1}, lambda group: group.update(max_grad_norm=0.05)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_counts(change: str) -> None:
    settings, apply = CHANGES[change]
    ends: list[list[torch.Tensor]] = []
    for engine in (None, "eager"):  # the native engine where there is one, and the eager one, which keeps nothing
        torch.manual_seed(0)
        params = [torch.randn(40, requires_grad=True) for _ in range(2)]
        given = {name: x.clone() if isinstance(x, torch.Tensor) else x for name, x in settings.items()}
        given = {name: list(x) if isinstance(x, list) else x for name, x in given.items()}
        optimizer = halflife.AdamW(params, **{"lr": 0.1, "weight_decay": 0.1, **given}, engine=engine)
        if change == "betas in a list":
            optimizer.param_groups[0]["betas"] = given["betas"]
        ends.append([])
        for step in range(9):
            for p in params:
                p.grad = torch.randn_like(p)
            if step == 6:
                apply(optimizer.param_groups[0])
            optimizer.step()
            ends[-1].append(torch.cat([optimizer.state[p].get("ema", p) for p in params]).detach().clone())
    for native, eager in zip(*ends, strict=True):
        torch.testing.assert_close(native, eager, rtol=1e-5, atol=1e-6)
