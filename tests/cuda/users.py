"""What the tests of generated kernels share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

Make = Callable[..., Any]


def weights(*shapes: Sequence[int], dtype: torch.dtype = torch.float64) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(numbers(shape, k).to(dtype)) for k, shape in enumerate(shapes)]


def numbers(shape: Sequence[int], seed: int) -> torch.Tensor:
    """Normal numbers in float64."""
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def train(optimizer: Any, steps: int = 8, first: int = 0, change: Callable[[Any, int], object] | None = None) -> Any:
    """Steps on given gradients, from the first on, lr falling by a factor each; ``change`` comes before each."""
    for t in range(first, steps):
        if change:
            change(optimizer, t)
        for k, p in enumerate(p for group in optimizer.param_groups for p in group["params"]):
            p.grad = numbers(p.shape, 100 + 10 * t + k).to(p.dtype)
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * 0.8
    return optimizer


def everything(optimizer: Any) -> list[torch.Tensor]:
    """The weights, and of each its states, by name."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    return [*params, *(x for p in params for _, x in sorted(optimizer.state.get(p, {}).items()))]


def same(a: Any, b: Any, tolerance: float = 1e-12) -> None:
    """Two optimizers' weights and states, as many on either side."""
    mine, theirs = everything(a), everything(b)
    assert len(mine) == len(theirs)
    for x, y in zip(mine, theirs, strict=True):
        torch.testing.assert_close(x.detach(), y.detach(), rtol=tolerance, atol=tolerance, check_dtype=True)


def engine_of(optimizer: Any) -> str:
    return optimizer.engines()[0].name


def reason_of(optimizer: Any) -> str:
    return optimizer.engines()[0].reason
