"""torch parity: fifty steps beside torch.optim, for all that a gradient alone moves and each flag."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

import halflife

from .users import gradient_for, shapes_for, takes, theirs

ENGINES = (None, "foreach", "eager")
NEWER_ADAM = "decoupled_weight_decay" in inspect.signature(torch.optim.Adam).parameters  # torch ≥ 2.7
FLAGS: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        {"lr": 0.1},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.5},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    ],
    "ASGD": [{}, {"t0": 10, "lambd": 1e-2}, {"alpha": 0.5, "lambd": 0.1}],
    "Adagrad": [{}, {"lr_decay": 0.1}, {"initial_accumulator_value": 0.1}, {"eps": 1e-3}],
    "Adadelta": [{}, {"rho": 0.5}, {"eps": 1e-3}],
    "RMSprop": [{}, {"momentum": 0.9}, {"centered": True}, {"momentum": 0.9, "centered": True}, {"alpha": 0.9}],
    "Adam": [{}, {"amsgrad": True}, {"betas": (0.5, 0.6)}, {"eps": 0.1}],
    "AdamW": [{}, {"amsgrad": True}, {"betas": (0.5, 0.6)}, {"eps": 0.1}],
    "NAdam": [{}, {"momentum_decay": 0.1}, {"decoupled_weight_decay": True}],
    "RAdam": [{}, {"betas": (0.8, 0.9)}, {"betas": (0.8, 0.6)}, {"decoupled_weight_decay": True}],
    "Adamax": [{}, {"betas": (0.5, 0.6)}, {"eps": 0.1}],
    "Rprop": [{}, {"etas": (0.3, 1.5)}, {"step_sizes": (1e-3, 0.1)}],
    "Adafactor": [{}, {"beta2_decay": -0.5, "d": 1.5}, {"lr": 1.0}, {"eps": (1e-2, 0.5)}],
    "SparseAdam": [{}, {"betas": (0.5, 0.6)}, {"eps": 0.1}],
}
if NEWER_ADAM:
    FLAGS["Adam"].append({"decoupled_weight_decay": True})
if hasattr(torch.optim, "Muon"):  # torch ≥ 2.9
    FLAGS["Muon"] = [{}, {"nesterov": False}, {"momentum": 0.5, "ns_steps": 2}, {"adjust_lr_fn": "match_rms_adamw"}]
CASES = [
    (name, {**flags, **more})
    for name, variants in FLAGS.items()
    for flags in variants
    for more in ({}, {"maximize": True}, {"weight_decay": 0.1})
    if takes(getattr(torch.optim, name), next(iter(more), "params"))
]


def run(optimizer_class: type[torch.optim.Optimizer], dtype: torch.dtype, flags: dict[str, Any]) -> torch.Tensor:
    """Two parameters, fifty steps, gradients that depend on nothing but the seed, a learning rate that moves."""
    generator = torch.Generator().manual_seed(0)
    shapes = shapes_for(optimizer_class, ((5, 7), (11,)))
    params = [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]
    optimizer = optimizer_class(params, **flags)  # type: ignore[call-arg]
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50)
    for _ in range(50):
        for p in params:
            p.grad = gradient_for(optimizer_class, p, generator)
        optimizer.step()
        scheduler.step()
    return torch.cat([p.detach().flatten() for p in params])


def distances(name: str, dtype: torch.dtype, flags: dict[str, Any]) -> tuple[dict[str | None, float], torch.Tensor]:
    """How far each engine ends from torch's weights, and these."""
    torchs = run(getattr(torch.optim, name), dtype, flags)
    ours = {engine: run(getattr(halflife, name), dtype, {**flags, "engine": engine}) for engine in ENGINES}
    return {engine: float((torchs - own).abs().max()) for engine, own in ours.items()}, torchs


@pytest.mark.parametrize("default", [torch.float32, torch.float64], ids=["default32", "default64"])
@pytest.mark.parametrize(("name", "flags"), CASES)
def test_float64(name: str, flags: dict[str, Any], default: torch.dtype) -> None:
    torch.set_default_dtype(default)
    try:
        found, _ = distances(name, torch.float64, flags)
    finally:
        torch.set_default_dtype(torch.float32)
    assert not {engine: off for engine, off in found.items() if not off <= 1e-12}


@pytest.mark.parametrize(("name", "flags"), CASES)
def test_float32(name: str, flags: dict[str, Any]) -> None:
    found, torchs = distances(name, torch.float32, flags)
    assert not {engine: off for engine, off in found.items() if not off <= 1e-6 * torchs.abs().max()}


@pytest.mark.parametrize(("name", "flags"), [case for case in CASES if takes(theirs(case[0]), "differentiable")])
def test_differentiable(name: str, flags: dict[str, Any]) -> None:
    """torch computes the clock in tensors here: equal to the last bits in the default float64."""
    torch.set_default_dtype(torch.float64)
    try:
        flags = {**flags, "differentiable": True}
        torchs, ours = (run_cloned(getattr(module, name), flags) for module in (torch.optim, halflife))
    finally:
        torch.set_default_dtype(torch.float32)
    assert (torchs - ours).abs().max() <= 1e-12


def run_cloned(optimizer_class: type[torch.optim.Optimizer], flags: dict[str, Any]) -> torch.Tensor:
    """As ``run``, with a parameter that is not a leaf, as ``differentiable`` wants it."""
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(5, 7, generator=generator).requires_grad_().clone()
    p.retain_grad()
    optimizer = optimizer_class([p], **flags)  # type: ignore[call-arg]
    for _ in range(50):
        p.grad = torch.randn(5, 7, generator=generator)
        optimizer.step()
    return p.detach()


@pytest.mark.parametrize("fused", [None, True])
def test_under_a_gradient_scaler(fused: bool | None) -> None:
    """The scaler's factor must not reach the update, and a step with an infinite gradient must not happen."""
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    w, control = torch.ones(3).requires_grad_(), torch.ones(3).requires_grad_()
    ours, theirs = halflife.AdamW([w], fused=fused), torch.optim.AdamW([control])
    for factor in (1.0, float("inf"), 2.0):
        for p, optimizer in ((w, ours), (control, theirs)):
            optimizer.zero_grad()
            loss = (p * torch.arange(3.0) * factor).sum()
            (scaler.scale(loss) if p is w else loss).backward()
        scaler.step(ours)
        scaler.update()
        if factor != float("inf"):
            theirs.step()
    assert torch.allclose(w, control, rtol=1e-6)
