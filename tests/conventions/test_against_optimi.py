"""optimi, by trajectory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from halflife.conventions import describe

from .problem import ADAM, LION, LRS, SGD, agrees, left, peer, run, λ

pytestmark = pytest.mark.filterwarnings("ignore")
optimi = peer("optimi")
CASES: dict[str, Callable[..., Any]] = {
    "optimi": lambda p, **f: optimi.AdamW(p, **ADAM, **f),
    "optimi-decoupled-lr": lambda p, **f: optimi.AdamW(p, **ADAM, decouple_lr=True, **f),
    "torch-adam": lambda p, **f: optimi.Adam(p, **ADAM, **f),
    "optimi-lion": lambda p, **f: optimi.Lion(p, **LION, **f),
    "optimi-lion-decoupled-lr": lambda p, **f: optimi.Lion(p, **LION, decouple_lr=True, **f),
}


@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_trajectory(name: str, foreach: bool) -> None:
    agrees(name, run(lambda p: CASES[name](p, foreach=foreach, triton=False)))


def test_trap_decouple_lr_alone_decouples_adam_too() -> None:
    agrees("optimi-decoupled-lr", run(lambda p: optimi.Adam(p, **ADAM, decouple_lr=True, triton=False)))


def test_sgd_is_coupled_unless_told_otherwise() -> None:
    agrees("torch-sgd", run(lambda p: optimi.SGD(p, **SGD, torch_init=True, triton=False)))
    agrees("timm-sgdw", run(lambda p: optimi.SGD(p, **SGD, decouple_wd=True, torch_init=True, triton=False)))
    agrees(
        "flashoptim-sgdw-decoupled-lr",
        run(lambda p: optimi.SGD(p, **SGD, decouple_lr=True, torch_init=True, triton=False)),
    )


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("AdamW", ADAM),
        ("AdamW", {**ADAM, "decouple_lr": True}),
        ("Lion", LION),
        ("Lion", {**LION, "decouple_lr": True}),
        ("SGD", {**SGD, "decouple_wd": True}),
        ("SGD", {**SGD, "decouple_lr": True}),
        ("SGD", {**SGD, "momentum": 0.0}),
    ],
)
def test_described_by_its_flags(kind: str, settings: dict[str, Any]) -> None:
    """What is said to be removed is what a step without a gradient removes, also in a schedule."""
    optimizer = getattr(optimi, kind)([torch.nn.Parameter(torch.ones(2, 2))], **settings, triton=False)
    for lr in LRS[:2]:
        optimizer.param_groups[0]["lr"] = lr
        (group,) = describe(optimizer).groups
        assert group.removed_now == pytest.approx(1 - left(optimizer), rel=1e-5)
        assert group.removed_now > λ / 100


def test_sgd_is_described_as_coupled_unless_told_otherwise() -> None:
    optimizer = optimi.SGD([torch.nn.Parameter(torch.ones(2, 2))], **SGD, triton=False)
    (group,) = describe(optimizer).groups
    assert (group.removed, group.weight_decays) == (None, {"torch-sgd": λ})
