"""PyTorch itself, by trajectory."""

from __future__ import annotations

import pytest
import torch

from .problem import ADAM, SGD, agrees, run


@pytest.mark.parametrize("flags", [{"foreach": False}, {"foreach": True}, {"fused": True}], ids=str)
def test_adamw(flags: dict[str, bool]) -> None:
    agrees("torch", run(lambda p: torch.optim.AdamW(p, **ADAM, **flags)))


def test_adam_is_coupled() -> None:
    agrees("torch-adam", run(lambda p: torch.optim.Adam(p, **ADAM)))


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_coupled(nesterov: bool) -> None:
    agrees("torch-sgd", run(lambda p: torch.optim.SGD(p, **SGD, nesterov=nesterov)), nesterov=nesterov)
