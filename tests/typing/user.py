"""A training as somebody writes it who checks everything: pyright strict and mypy --strict have nothing to say."""
# pyright: strict

import torch
from torch import Tensor, nn

import halflife
from halflife import AdamW, HalfLife, Monitor, ProxAdam, describe, param_groups
from halflife.conventions import convert
from halflife.regularizers import L1
from halflife.schedules import CosineWD, LinearWD


def loss_of(model: nn.Module, x: Tensor) -> Tensor:
    """The mean of the squared outputs."""
    out: Tensor = model(x)
    return out.square().mean()


def train(model: nn.Module, steps: int) -> list[float]:
    """Train with decay on a schedule, beside the learning rate's."""
    decay = CosineWD(0.1, 0.01, steps)
    groups = param_groups(model, no_decay=("bias",), overrides={"weight": {"lr": 1e-3}})
    optimizer = AdamW(groups, lr=1e-2, betas=(0.9, 0.95), weight_decay=decay, decay="independent", max_grad_norm=1.0)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=steps)
    losses: list[float] = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model, torch.ones(4, 3))
        loss.backward()  # type: ignore[no-untyped-call] # torch's own method has no types
        optimizer.step()
        rate.step()
        decay.step()
        losses.append(loss.item())
    return losses


def sparse(model: nn.Module) -> ProxAdam:
    """An optimizer that makes exact zeros."""
    decay = LinearWD(0.0, 0.1, 10)
    optimizer = ProxAdam(model.parameters(), lr=1e-2, weight_decay=decay, regularizer=L1())
    first: Tensor = optimizer.param_groups[0]["params"][0]
    assert first.requires_grad
    saved = optimizer.state_dict()
    optimizer.load_state_dict(saved)
    return optimizer


def translated() -> tuple[float, str]:
    """λ of the paper for what 0.01 is in torch, and how exact that is."""
    found = convert(0.01, source="torch", target="paper", lr=1e-3)
    assert found.weight_decay is not None
    return found.weight_decay, found.verdict


net = nn.Linear(3, 2)
assert len(train(net, 4)) == 4
monitor = Monitor(sparse(net), every=100)
monitor.remove()
value, verdict = translated()
assert (f"{value:.3g}", verdict) == ("1e-05", "exact")
momentum: torch.optim.SGD = halflife.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
halved = AdamW(net.parameters(), lr=1e-2, weight_decay=HalfLife(steps=1000))
print(describe(halved))
