"""optimi, by trajectory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .problem import ADAM, LION, SGD, agrees, peer, run

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
