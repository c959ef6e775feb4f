"""PyTorch itself, by trajectory."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from halflife.conventions import find

from .problem import ADAM, LRS, MATRIX, SGD, agrees, apart, run, λ, μ

MUON = {"lr": LRS[0], "momentum": μ, "weight_decay": λ}


@pytest.mark.parametrize("flags", [{"foreach": False}, {"foreach": True}, {"fused": True}], ids=str)
def test_adamw(flags: dict[str, bool]) -> None:
    agrees("torch", run(lambda p: torch.optim.AdamW(p, **ADAM, **flags)))


def test_adam_is_coupled() -> None:
    agrees("torch-adam", run(lambda p: torch.optim.Adam(p, **ADAM)))


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_coupled(nesterov: bool) -> None:
    agrees("torch-sgd", run(lambda p: torch.optim.SGD(p, **SGD, nesterov=nesterov)), nesterov=nesterov)


def test_torchtitans_adamw_is_torchs() -> None:
    agrees("torchtitan", run(lambda p: torch.optim.AdamW(p, **ADAM, foreach=True)))
    defaults = find("torchtitan").optimizer([torch.ones(1).requires_grad_()]).param_groups[0]
    assert (defaults["lr"], defaults["weight_decay"], defaults["betas"]) == (8e-4, 0.1, (0.9, 0.95))


@pytest.mark.parametrize("shape", [MATRIX, MATRIX[::-1]])
@pytest.mark.parametrize("flags", [{}, {"nesterov": False}, {"adjust_lr_fn": "match_rms_adamw"}], ids=str)
def test_muon(flags: dict[str, Any], shape: tuple[int, int]) -> None:
    """In its own bfloat16, in which the same products are made: the weights differ in float32's last bits."""
    kinds = (torch.optim.Muon, find("torch-muon").optimizer)
    theirs, ours = (
        run(lambda p, kind=kind: kind(p, **MUON, **flags), dtype=torch.float32, shape=shape) for kind in kinds
    )
    assert apart(ours, theirs) <= 1e-6
    without = run(
        lambda p: torch.optim.Muon(p, **{**MUON, "weight_decay": 0.0}, **flags), dtype=torch.float32, shape=shape
    )
    assert apart(without, theirs) >= 1e-2
