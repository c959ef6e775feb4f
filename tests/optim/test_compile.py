"""A training step under ``torch.compile``: the optimizer's part runs outside the graph and does the same."""

from __future__ import annotations

import pytest
import torch

import halflife


def train(model: torch.nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor) -> torch.Tensor:
    loss = model(x).pow(2).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["AdamW", "SGDW", "ProxAdam"])
@pytest.mark.parametrize("flags", [{}, {"foreach": True}, {"max_grad_norm": 0.1, "ema_decay": 0.9}])
def test_same_weights_as_uncompiled(name: str, flags: dict[str, object]) -> None:
    weights = []
    for wrap in (lambda f: f, lambda f: torch.compile(f, backend="eager")):
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 3)
        optimizer = getattr(halflife, name)(model.parameters(), lr=0.1, **flags)
        step = wrap(train)
        for _ in range(4):
            step(model, optimizer, torch.randn(8, 4))
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(*weights)
