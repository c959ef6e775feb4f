"""pytorch_optimizer, by trajectory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from .problem import ADAM, FLOAT32, LION, SGD, agrees, apart, ours, peer, run

pytestmark = pytest.mark.filterwarnings("ignore")
kozistr = peer("pytorch_optimizer")
CASES: dict[str, Callable[[Any], Any]] = {
    "pytorch-optimizer": lambda p: kozistr.AdamW(p, **ADAM),
    "pytorch-optimizer-adamc": lambda p: kozistr.AdamC(p, **ADAM),
    "pytorch-optimizer-fixed": lambda p: kozistr.AdamC(p, **ADAM, fixed_decay=True),
    "pytorch-optimizer-adamc-normalized": lambda p: kozistr.AdamC([{"params": p, "normalized": True}], **ADAM),
    "pytorch-optimizer-sgdw": lambda p: kozistr.SGDW(p, **SGD),
    "pytorch-optimizer-lion-fixed": lambda p: kozistr.Lion(p, **LION, fixed_decay=True),
    "timm-lion": lambda p: kozistr.Lion(p, **LION),
}


@pytest.mark.parametrize("name", CASES)
def test_trajectory(name: str) -> None:
    agrees(name, run(CASES[name]))


def test_its_adamw_is_torchs() -> None:
    assert kozistr.AdamW is torch.optim.AdamW


def test_trap_epsilon_stands_beside_the_uncorrected_moment() -> None:
    real = run(CASES["pytorch-optimizer-adamc"])
    assert apart(run(ours("torch")), real) > 1e-2
    assert 1e-12 < apart(run(ours("keras")), real) < 1e-8, "the 1e-15 under its root"


def test_flash_adamw() -> None:
    make = lambda p: kozistr.FlashAdamW(p, **ADAM, quantize=False, master_weight_bits=None)  # noqa: E731
    agrees("pytorch-optimizer", run(make, dtype=torch.float32), FLOAT32)
