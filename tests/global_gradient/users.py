"""What the tests of the whole pass share."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import halflife

from ..optim.users import TORCH

NAMES = [*TORCH, "Lion"]
SHAPES = ((3, 4), (5,), (), (0,))
OTHER_SHAPES = {"Muon": ((3, 4), (5, 2), (2, 5), (0, 3)), "Adafactor": ((3, 4), (5,), ())}
"""Matrices alone for Muon; torch's Adafactor divides by the number of coordinates."""

each = pytest.mark.parametrize("name", NAMES)
each_of_torch = pytest.mark.parametrize("name", TORCH)
each_engine = pytest.mark.parametrize("engine", [{"engine": "eager"}, {"engine": "foreach"}], ids=["eager", "foreach"])


def ours(name: str) -> Any:
    return getattr(halflife, name)


def theirs(name: str) -> Any:
    return getattr(torch.optim, name)


def weights(dtype: torch.dtype = torch.float64, name: str = "SGD") -> list[torch.Tensor]:
    """Of shapes that the rule of that class takes, one of them empty."""
    generator = torch.Generator().manual_seed(0)
    shapes = OTHER_SHAPES.get(name, SHAPES)
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def give_gradients(params: list[torch.Tensor], k: int, size: float = 1.0) -> None:
    generator = torch.Generator().manual_seed(1000 + k)
    for p in params:
        p.grad = size * torch.randn(p.shape, generator=generator, dtype=p.dtype)


def flat(params: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in params])


def groups(params: list[torch.Tensor], **second: Any) -> list[dict[str, Any]]:
    """Two groups, the second with settings of its own."""
    return [{"params": params[:2]}, {"params": params[2:], **second}]


def snapshot(optimizer: Any) -> list[torch.Tensor]:
    """All weights and states."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    return [x.detach().clone() for p in params for x in (p, *optimizer.state.get(p, {}).values())]


def equal(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(x.dtype == y.dtype and torch.equal(x, y) for x, y in zip(a, b, strict=True))
