"""What the tests of layouts share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import halflife

TORCH = ["SGD", "ASGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Rprop"]
ALL = [*TORCH, "Lion", "SGDW", "AdamL2", "ProxAdam", "AdamP", "ProxSGD"]
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "SGD": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "RMSprop": [{}, {"momentum": 0.9, "centered": True}, {"centered": True}],
    "Adam": [{}, {"amsgrad": True}],
    "AdamW": [{}, {"amsgrad": True}],
    "NAdam": [{}, {"decoupled_weight_decay": True}],
}
SETTINGS = [(name, flags) for name in TORCH for flags in VARIANTS.get(name, [{}])]
ENGINES = [{"engine": "eager"}, {"engine": "foreach"}]
HALVES = [torch.bfloat16, torch.float16]

each = pytest.mark.parametrize("name", ALL)
each_setting = pytest.mark.parametrize(("name", "flags"), SETTINGS, ids=str)
each_engine = pytest.mark.parametrize("engine", ENGINES, ids=["eager", "foreach"])


def ours(name: str) -> Any:
    return getattr(halflife, name)


def both(name: str) -> tuple[Any, Any]:
    return getattr(torch.optim, name), getattr(halflife, name)


def noise(shape: tuple[int, ...], seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def train(optimizer: Any, grads: Callable[[int, torch.Tensor], torch.Tensor], steps: int = 3) -> list[torch.Tensor]:
    """That many steps; the weights after them."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for k in range(steps):
        for p in params:
            p.grad = grads(k, p)
        optimizer.step()
    return [p.detach().clone() for p in params]


def random_gradients(k: int, p: torch.Tensor) -> torch.Tensor:
    return noise(tuple(p.shape), 10 + k).to(p.dtype)


def tensors_of(state: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {name: (x.dtype, x.shape, x.device, x.stride()) for name, x in state.items()}
