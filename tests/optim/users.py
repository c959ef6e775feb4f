"""What the tests of the torch face share: the classes, small weights, gradients."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch

import halflife

TORCH = ["SGD", "ASGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Rprop"]
ALL = [*TORCH, "Lion", "SGDW", "AdamL2", "ProxAdam", "AdamP", "ProxSGD"]
CAPTURABLE = [name for name in ALL if "capturable" in inspect.signature(getattr(halflife, name)).parameters]
EXTRAS = {"decay", "regularizer", "direction", "eps_inside", "weight_decay", "rounding", "state_dtype"}
EXTRAS |= {"max_grad_norm", "ema_decay", "skip_nonfinite", "base_lr", "engine"}
ENGINES: list[dict[str, Any]] = [{"engine": "eager"}, {"engine": "foreach"}, {}]


each = pytest.mark.parametrize("name", ALL)
each_of_torch = pytest.mark.parametrize("name", TORCH)
each_engine = pytest.mark.parametrize("engine", ENGINES, ids=["eager", "foreach", "default"])


def ours(name: str) -> Any:
    return getattr(halflife, name)


def theirs(name: str) -> Any:
    return getattr(torch.optim, name)


def asked_of(optimizer_class: type, engine: dict[str, Any]) -> dict[str, Any]:
    """The keywords by which a class of ours or of torch's is asked for an engine: torch's know ``foreach`` alone."""
    if issubclass(optimizer_class, halflife.Optimizer):
        return engine
    return {"foreach": engine["engine"] == "foreach"} if "engine" in engine else engine


def weights(dtype: torch.dtype = torch.float64, seed: int = 0) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(s, generator=generator, dtype=dtype)) for s in ((3, 4), (5,))]


def flat(params: list[Any]) -> torch.Tensor:
    return torch.cat([torch.view_as_real(p).flatten() if p.is_complex() else p.flatten() for p in params]).detach()


def give_gradients(optimizer: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = torch.randn(p.shape, generator=generator, dtype=p.dtype)


def train(optimizer: torch.optim.Optimizer, steps: int = 4, seed: int = 0, then: Callable[[], Any] | None = None):
    """That many steps on random gradients; the weights after them."""
    for k in range(steps):
        give_gradients(optimizer, 1000 * seed + k)
        optimizer.step()
        if then is not None:
            then()
    return flat([p for group in optimizer.param_groups for p in group["params"]])


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())
