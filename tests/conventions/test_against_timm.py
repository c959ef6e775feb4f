"""timm, by trajectory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from .problem import ADAM, LION, SGD, agrees, peer, run

pytestmark = pytest.mark.filterwarnings("ignore")
optim = peer("timm.optim")
CASES: dict[str, Callable[..., Any]] = {
    "timm": lambda p, **f: optim.AdamWLegacy(p, **ADAM, **f),
    "timm-corrected": lambda p, **f: optim.AdamWLegacy(p, **ADAM, corrected_weight_decay=True, **f),
    "timm-nadamw": lambda p, **f: optim.NAdamW(p, **ADAM, **f),
    "timm-sgdw": lambda p, **f: optim.SGDW(p, **SGD, **f),
    "timm-sgdw-corrected": lambda p, **f: optim.SGDW(p, **SGD, corrected_weight_decay=True, **f),
    "timm-lion": lambda p, **f: optim.Lion(p, **LION, **f),
}


@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_trajectory(name: str, foreach: bool) -> None:
    agrees(name, run(lambda p: CASES[name](p, foreach=foreach)))


def test_the_factory_of_adamw_gives_torchs() -> None:
    made = optim.create_optimizer_v2(torch.nn.Linear(2, 2), opt="adamw", lr=0.1)
    assert type(made).__module__.startswith("torch.optim")
