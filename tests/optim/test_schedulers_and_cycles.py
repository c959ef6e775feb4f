"""torch's schedulers: tensor learning rates, cycled momenta and betas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

import halflife

from .users import (
    apart,
    asked_of,
    each,
    each_engine,
    ours,
    train,
    weights,
)

pytestmark = pytest.mark.usefixtures("double_precision")


SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "StepLR": lambda o: lr_scheduler.StepLR(o, step_size=2, gamma=0.5),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=7),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, start_factor=0.1, total_iters=4),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda k: 1 / (k + 1)),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=10, cycle_momentum=False),
}


@each
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("decay", ["decoupled", "proximal"])
@pytest.mark.parametrize("shape", [(), *([(1,)] if torch.__version__ >= "2.7" else [])])  # schedulers took 0-d only
def test_a_tensor_lr_under_a_scheduler(name: str, scheduler: str, decay: str, shape: tuple[int, ...]) -> None:
    runs = []
    for lr in (0.1, torch.full(shape, 0.1, dtype=torch.float64)):
        optimizer = ours(name)(weights(), lr=lr, weight_decay=0.2, decay=decay)
        runs.append(train(optimizer, 8, then=SCHEDULERS[scheduler](optimizer).step))
    assert optimizer.param_groups[0]["lr"] is lr
    assert apart(*runs) <= 1e-12


MOMENTUM = {"SGD": {"momentum": 0.9}, "RMSprop": {"momentum": 0.9}, "Adam": {}, "AdamW": {}, "NAdam": {}}
MOMENTUM |= {"RAdam": {}, "Adamax": {}}
CYCLES: dict[str, Callable[[Any], Any]] = {
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.05, total_steps=41),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 1e-3, 5e-2, step_size_up=7, base_momentum=0.6, max_momentum=0.95),
}


@pytest.mark.parametrize("cycle", CYCLES)
@pytest.mark.parametrize("name", MOMENTUM)
@each_engine
def test_cycled_momentum_is_read_at_every_step(name: str, cycle: str, engine: dict[str, bool]) -> None:
    runs, momenta = [], set()
    for module in (torch.optim, halflife):
        optimizer_class = getattr(module, name)
        optimizer = optimizer_class(weights(), lr=1e-2, **MOMENTUM[name], **asked_of(optimizer_class, engine))
        runs.append(train(optimizer, 40, then=CYCLES[cycle](optimizer).step))
        group = optimizer.param_groups[0]
        momenta.add(group["momentum"] if "momentum" in group else group["betas"][0])
    assert len(momenta) == 1
    assert apart(*runs) <= 1e-12
