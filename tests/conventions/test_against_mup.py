"""mup, by trajectory: a model four times as wide as its base."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from halflife.conventions import find

from .problem import ADAM, LRS, SGD, apart, peer, λ

pytestmark = pytest.mark.filterwarnings("ignore")
mup = peer("mup")


def model(width: int) -> nn.Sequential:
    """Of every kind: widths in both dimensions, in one, in none; fan-in and fan-out as different multiples."""
    return nn.Sequential(
        nn.Linear(3, width),
        nn.Linear(width, 2 * (width - 4)),
        nn.Linear(2 * (width - 4), width),
        mup.MuReadout(width, 2),
    ).double()


def marked(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    wide = model(32)
    mup.set_base_shapes(wide, model(8), delta=model(9))
    return wide


def walked(make: Any) -> np.ndarray:
    """All weights after each step; each group's lr follows the schedule."""
    wide = marked()
    optimizer = make([*wide.parameters()])
    first, rows = [group["lr"] for group in optimizer.param_groups], []
    for lr in LRS:
        for p in wide.parameters():
            p.grad = torch.randn_like(p)
        for group, own in zip(optimizer.param_groups, first, strict=True):
            group["lr"] = own * lr / LRS[0]
        optimizer.step()
        rows.append(torch.cat([p.detach().flatten() for p in wide.parameters()]).numpy())
    return np.array(rows)


@pytest.mark.parametrize(
    ("name", "peers", "settings"),
    [
        ("mup", "MuAdamW", ADAM),
        ("mup-sgd", "MuSGD", SGD),
        ("mup-sgd", "MuSGD", {**SGD, "momentum": 0.0}),
    ],
)
def test_trajectory(name: str, peers: str, settings: dict[str, Any]) -> None:
    real = walked(lambda params: getattr(mup, peers)(params, **settings))
    assert apart(walked(lambda params: find(name).optimizer(params, **settings)), real) <= 1e-12
    assert apart(walked(lambda params: find(name).optimizer(params, **{**settings, "weight_decay": 0.0})), real) > 1e-2
    plain = {"mup": torch.optim.AdamW, "mup-sgd": torch.optim.SGD}[name]
    assert apart(walked(lambda params: plain(params, **settings)), real) > 1e-2, "the multiples show"


@pytest.mark.parametrize(("peers", "settings"), [("MuAdamW", ADAM), ("MuSGD", SGD)])
def test_lr_times_lambda_is_what_was_given(peers: str, settings: dict[str, Any]) -> None:
    groups = getattr(mup, peers)(marked().parameters(), **settings).param_groups
    assert len({group["lr"] for group in groups}) > 1
    assert [group["lr"] * group["weight_decay"] for group in groups] == [pytest.approx(LRS[0] * λ)] * len(groups)


def test_trap_its_adamw_does_not_decay_by_itself() -> None:
    groups = mup.MuAdamW(marked().parameters(), lr=0.1).param_groups
    assert {group["weight_decay"] for group in groups} == {find("mup").defaults.weight_decay} == {0.0}
    assert torch.optim.AdamW(marked().parameters()).defaults["weight_decay"] == 0.01


def test_trap_its_adams_coupled_lambda_is_multiplied_too() -> None:
    groups = mup.MuAdam(marked().parameters(), **ADAM).param_groups
    assert {type(mup.MuAdam(marked().parameters(), **ADAM))} == {torch.optim.Adam}
    assert max(group["weight_decay"] for group in groups) == pytest.approx(7 * λ)


def test_trap_it_writes_into_the_callers_groups() -> None:
    wide = marked()
    group = {"params": [*wide.parameters()]}
    mup.MuAdamW([group], lr=0.1, weight_decay=λ)
    assert (group["lr"], group["weight_decay"]) == (0.1, λ)
    ours = {"params": [*wide.parameters()]}
    find("mup").optimizer([ours], lr=0.1, weight_decay=λ)
    assert ours.keys() == {"params"}


def test_it_takes_an_optimizer_of_ours() -> None:
    import halflife

    real = walked(lambda params: mup.MuAdamW(params, **ADAM))
    assert apart(walked(lambda params: mup.MuAdam(params, impl=halflife.AdamW, **ADAM)), real) <= 1e-12
