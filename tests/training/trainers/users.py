"""What the trainers train: a small network on data of its own, the same at every call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 1))


def samples(n: int = 32) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(1))
    return x, x.sum(1, keepdim=True).sin()


def loader() -> DataLoader[Any]:
    return DataLoader(TensorDataset(*samples()), batch_size=4)


def flat(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def trained(a: Tensor) -> bool:
    """Whether these weights are far from where they began."""
    return float((a - flat(net())).abs().max()) > 0.05
