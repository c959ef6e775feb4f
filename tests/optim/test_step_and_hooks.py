"""Steps, closures, hooks and the profiler, as torch has them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from .users import (
    TORCH,
    apart,
    each,
    flat,
    ours,
    theirs,
    train,
    weights,
)

pytestmark = pytest.mark.usefixtures("double_precision")


@each
@pytest.mark.parametrize("grad_mode", [torch.enable_grad, torch.no_grad])
def test_closure_runs_once_with_gradients_on(name: str, grad_mode: Any) -> None:
    params, calls = weights(), []
    optimizer, before = ours(name)(params), flat(params)

    def closure() -> torch.Tensor:
        calls.append(torch.is_grad_enabled())
        optimizer.zero_grad()
        loss = sum((p**2).sum() for p in params)
        loss.backward()
        return loss

    with grad_mode():
        loss = optimizer.step(closure)
        assert torch.is_grad_enabled() == (grad_mode is torch.enable_grad)
    assert calls == [True]
    assert loss.item() == pytest.approx(float((before**2).sum()))
    assert apart(before, flat(params)) > 0
    assert optimizer.step() is None


def hooked(optimizer: torch.optim.Optimizer) -> list[str]:
    """What ran, and in which order, in a step and in saving and loading, with hooks of all kinds."""
    log: list[str] = []
    kinds = ["step_pre", "step_post", "state_dict_pre", "state_dict_post"]
    kinds += ["load_state_dict_pre", "load_state_dict_post"]
    for kind in kinds:
        register = getattr(optimizer, f"register_{kind}_hook")
        register(lambda *a, kind=kind: log.append(f"{kind} of {len(a)}"))
        if "state_dict" in kind:
            register(lambda *a, kind=kind: log.append(f"{kind} first"), prepend=True)
    handles = [
        register_optimizer_step_pre_hook(lambda *a: log.append("global pre")),
        register_optimizer_step_post_hook(lambda *a: log.append("global post")),
    ]
    train(optimizer, 2)
    for handle in handles:
        handle.remove()
    optimizer.load_state_dict(optimizer.state_dict())
    train(optimizer, 1)
    return log


@each
def test_hooks_run_as_in_torch(name: str) -> None:
    expected = hooked(theirs(name if name in TORCH else "Adam")(weights()))
    assert hooked(ours(name)(weights())) == expected
    assert len(expected) == 18


@each
def test_hooks_take_effect(name: str) -> None:
    optimizer = ours(name)(weights(), lr=0.5)
    optimizer.register_state_dict_post_hook(lambda o, d: {**d, "mark": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, d: {**d, "param_groups": [{**d["param_groups"][0], "lr": 2}]})
    saved = optimizer.state_dict()
    assert saved["mark"] == 1
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["lr"] == 2
    assert saved["param_groups"][0]["lr"] == 0.5
    optimizer.param_groups[0]["base_lr"] = 2
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: 7.0), {}))
    assert optimizer.step() == 7.0


@each
def test_profiler_names(name: str) -> None:
    optimizer = ours(name)(weights())
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        train(optimizer, 1)
        optimizer.zero_grad()
    names = [event.key for event in profile.key_averages()]
    assert names.count(f"Optimizer.step#{name}.step") == 1
    assert names.count(f"Optimizer.zero_grad#{name}.zero_grad") == 1
