"""The traps are still there in the frameworks themselves; skipped where these are not installed."""

from __future__ import annotations

import pytest
import torch

from halflife.conventions import convert

from .problem import ADAM, apart, left, one, peer, run, λ

pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_global_base_lr_of_optimi_is_still_a_trap() -> None:
    optimi = peer("optimi")
    groups = [{"params": [one()]}, {"params": [one()], "lr": 1e-3}]
    optimizer = optimi.AdamW(groups, **ADAM, decouple_lr=True, triton=False)
    groups[0]["params"][0].grad = torch.zeros(1, 1, dtype=torch.float64)
    assert left(optimizer, 1) == pytest.approx(1 - λ * 0.01, abs=1e-12), "its own base lr would leave 1 − λ"


def test_bitsandbytes_ignores_amsgrad() -> None:
    optim = peer("bitsandbytes.optim")
    plain, bounded = (
        run(lambda p, a=a: optim.AdamW32bit(p, **ADAM, amsgrad=a), dtype=torch.float32) for a in (False, True)
    )
    assert apart(plain, bounded) == 0


def test_stable_adamw_decays_by_the_clipped_lr() -> None:
    """So that no λ of AdamW does what it does; by how much its first step decays, the gradient's size decides."""
    optimi = peer("optimi")
    told = convert(0.1, "stableadamw", "torch")
    assert told.verdict == "impossible"
    shares = []
    for size in (1.0, 5.0):
        p = one()
        optimizer = optimi.StableAdamW([p], **{**ADAM, "eps": 1e-12}, triton=False)
        for g in (1.0, size):
            p.data.fill_(1.0)
            p.grad = torch.full_like(p, g)
            optimizer.step()
        without = one()
        optimizer = optimi.StableAdamW([without], **{**ADAM, "eps": 1e-12, "weight_decay": 0.0}, triton=False)
        for g in (1.0, size):
            without.data.fill_(1.0)
            without.grad = torch.full_like(without, g)
            optimizer.step()
        shares.append(float((without - p).detach()))
    assert shares[0] == pytest.approx(0.1 * λ)
    assert shares[1] < 0.9 * shares[0]
