"""The protocol of ``torch.amp.GradScaler``: the step unscales, and skips if the scaler found infinities."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.utils import clip_grad_norm_

import halflife

from .users import each, each_engine, each_of_torch, equal, flat, ours, snapshot, theirs, weights


def losses(params: list[torch.Tensor], k: int) -> torch.Tensor:
    return sum((torch.sin(p + k) ** 2).sum() for p in params) * (float("inf") if k == 2 else 1.0)  # type: ignore[return-value]


def run(optimizer: Any, params: list[torch.Tensor], clip: float | None = None, unscale: bool = False) -> torch.Tensor:
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for k in range(5):
        optimizer.zero_grad()
        scaler.scale(losses(params, k)).backward()
        if unscale:
            scaler.unscale_(optimizer)
        if clip is not None:
            clip_grad_norm_(params, clip)
        scaler.step(optimizer)
        scaler.update()
    assert not hasattr(optimizer, "grad_scale")
    return flat(params)


@each_of_torch
@each_engine
@pytest.mark.parametrize("unscale", [False, True])
@pytest.mark.parametrize("counts", [False, True])
def test_as_torch_under_a_scaler(name: str, engine: Any, unscale: bool, counts: bool) -> None:
    """Without a flag of ours the scaler does all by itself, as for torch's, and calls no step that it skips."""
    a, b = weights(torch.float32, name), weights(torch.float32, name)
    found = ours(name)(b, lr=0.1, skip_nonfinite=counts, **engine)
    expected = run(theirs(name)(a, lr=0.1), a, unscale=unscale)
    assert (expected - run(found, b, unscale=unscale)).abs().max() <= 1e-6
    assert found.skipped_steps == counts


def test_who_unscales_by_itself() -> None:
    """Lightning refuses to clip for those that do: as few as possible, and torch's fused ones among them."""
    assert not halflife.AdamW(weights())._step_supports_amp_scaling
    for kwargs in ({"fused": True}, {"max_grad_norm": 1.0}, {"skip_nonfinite": True}, {"rounding": "kahan"}):
        optimizer = halflife.AdamW(weights(), **kwargs)
        assert optimizer._step_supports_amp_scaling
    assert not getattr(torch.optim.AdamW(weights()), "_step_supports_amp_scaling", False)
    assert torch.optim.AdamW(weights(), fused=True)._step_supports_amp_scaling


@each_engine
def test_clipping_counts_the_unscaled_norm(engine: Any) -> None:
    a, b = weights(torch.float32), weights(torch.float32)
    expected = run(torch.optim.SGD(a, lr=0.1), a, clip=0.5, unscale=True)
    found = halflife.SGD(b, lr=0.1, max_grad_norm=0.5, **engine)
    assert (expected - run(found, b)).abs().max() <= 1e-6
    assert 0.5 < found.grad_norm < 10


@each
@each_engine
@pytest.mark.parametrize("found", [torch.tensor(1.0), torch.tensor([1.0])], ids=["0-d", "1-d"])
def test_attributes_set_by_hand(name: str, engine: Any, found: torch.Tensor) -> None:
    params = weights(name=name)
    optimizer, plain = ours(name)(params, lr=0.1, **engine), ours(name)(weights(name=name), lr=0.1, **engine)
    for k, (scale, stop) in enumerate([(8.0, 0 * found), (2.0, found), (0.5, 0)]):
        for p, q in zip(params, plain.param_groups[0]["params"], strict=True):
            q.grad = torch.full_like(q, 0.1 * k - 0.3)
            p.grad = q.grad * scale
        optimizer.grad_scale, optimizer.found_inf = torch.tensor(scale), stop
        before = snapshot(optimizer)
        optimizer.step()
        if k == 1:
            assert equal(before, snapshot(optimizer))
        else:
            plain.step()
    assert equal(snapshot(plain), snapshot(optimizer))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@each_engine
def test_half_parameters_under_a_scaler(dtype: torch.dtype, engine: Any) -> None:
    """torch refuses to unscale half gradients; unscaled in float32, inside the step, none is lost."""
    params = weights(dtype)
    optimizer = halflife.SGD(params, lr=0.1, rounding="kahan", **engine)
    before = flat(params)
    run(optimizer, params)
    assert (flat(params) != before).any()
    assert flat(params).isfinite().all()
    assert optimizer.skipped_steps == 1
