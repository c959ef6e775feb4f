"""What is trained here: a small network whose parameters stand in two groups."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import halflife


class Net(nn.Module):
    """A weight used twice, one frozen, one that the loss does not reach at first."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.shared, self.last = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2, bias=False)
        self.again = self.shared
        self.frozen, self.rare = nn.Linear(6, 6).requires_grad_(False), nn.Linear(6, 6)

    def forward(self, x: torch.Tensor, rare: bool = False) -> torch.Tensor:
        x = self.shared(self.first(x).tanh()).tanh()
        x = self.rare(x).tanh() if rare else x
        return self.last(self.frozen(self.again(x)).tanh())


def data(k: int) -> torch.Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(k))


def build(make: Any = halflife.AdamW, /, **kwargs: Any) -> tuple[Net, Any]:
    """Two groups, one with a learning rate of its own."""
    net = Net()
    groups = [{"params": [*net.first.parameters(), *net.shared.parameters(), *net.frozen.parameters()]}]
    groups += [{"params": [*net.last.parameters(), *net.rare.parameters()], "lr": 0.03, "weight_decay": 0.2}]
    return net, make(groups, **{"lr": 0.05, "weight_decay": 0.1, **kwargs})


def train(net: Net, optimizer: Any, steps: int = 6, start: int = 0) -> torch.Tensor:
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 0.9**k)
    for k in range(start, start + steps):
        net(data(k), rare=k >= 2).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    return torch.cat([p.detach().flatten() for p in net.parameters()])
