"""Tensors for numbers, complex parameters, capturable, fused."""

from __future__ import annotations

import pytest
import torch

import halflife

from .users import (
    CAPTURABLE,
    TORCH,
    apart,
    asked_of,
    each_engine,
    flat,
    ours,
    takes_complex,
    train,
    weights,
)

pytestmark = pytest.mark.usefixtures("double_precision")


@pytest.mark.parametrize("name", ["Adam", "AdamW", "AdamL2", "ProxAdam", "AdamP"])
@pytest.mark.parametrize("shape", [(), (1,)], ids=["0-d", "1-d"])
@pytest.mark.parametrize("flags", [{}, {"foreach": True, "capturable": True}, {"differentiable": True}], ids=str)
def test_tensor_betas(name: str, shape: tuple[int, ...], flags: dict[str, bool]) -> None:
    betas = tuple(torch.full(shape, β, dtype=torch.float64) for β in (0.8, 0.95))
    runs = []
    for each_one in ((0.8, 0.95), betas):
        params = [p.detach() for p in weights()]
        runs.append(train(ours(name)(params, lr=0.1, betas=each_one, **flags)))
    assert apart(*runs) <= 1e-12
    assert apart(runs[0], flat(weights())) > 1e-3


@pytest.mark.parametrize("name", CAPTURABLE)
@each_engine
@pytest.mark.parametrize("tensor_lr", [False, True], ids=["number", "tensor"])
def test_capturable_on_the_cpu_agrees_with_plain(name: str, engine: dict[str, bool], tensor_lr: bool) -> None:
    lr = torch.tensor(0.1) if tensor_lr else 0.1
    plain = train(ours(name)(weights(), lr=0.1, weight_decay=0.2), 12)
    captured = train(ours(name)(weights(), lr=lr, weight_decay=0.2, capturable=True, **engine), 12)
    assert apart(plain, captured) <= 1e-12


@pytest.mark.parametrize("name", [name for name in TORCH if takes_complex(name)])
@each_engine
@pytest.mark.parametrize("weight_decay", [0.0, 0.2])
def test_complex_parameters(name: str, engine: dict[str, bool], weight_decay: float) -> None:
    decay = {"weight_decay": weight_decay} if name != "Rprop" else {}
    runs = []
    for module in (torch.optim, halflife):
        optimizer_class = getattr(module, name)
        optimizer = optimizer_class(weights(torch.complex128), lr=0.05, **decay, **asked_of(optimizer_class, engine))
        runs.append(train(optimizer, 8))
        assert all(x.is_complex() for s in optimizer.state.values() for x in s.values() if x.dim())
    assert apart(*runs) <= 1e-12


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "Adam", "AdamW"])
def test_fused_under_a_gradient_scaler(name: str) -> None:
    """torch's fused optimizers unscale the gradients themselves, and skip the step if one is infinite."""
    runs = []
    for module in (torch.optim, halflife):
        params = weights(torch.float32)
        optimizer = getattr(module, name)(params, lr=0.1, fused=True)
        scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
        for k in range(4):
            optimizer.zero_grad()
            loss = sum((p**2).sum() for p in params) * (float("inf") if k == 2 else 1.0)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        runs.append(flat(params))
    assert apart(*runs) <= 1e-6
