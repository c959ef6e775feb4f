"""Meta-gradients through differentiable steps, against finite differences."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from halflife import regularizers as rz
from halflife.decays import NAMED
from halflife.optim.groups import decay_of

from .users import (
    ALL,
    ours,
    weights,
)

pytestmark = pytest.mark.usefixtures("double_precision")


def final_loss(name: str, key: str, x: Any, live: bool, **settings: Any) -> torch.Tensor:
    """The loss after three steps, as a function of one hyper-parameter.

    ``live``: the group is added with the number 0.1 and x written into it then, so that x is no base learning rate.
    """
    p = torch.linspace(-1.5, 1.6, 6).reshape(2, 3).requires_grad_().clone()
    p.retain_grad()
    numbers = {"lr": 0.1, "weight_decay": 0.2, key: 0.1 if live else x}
    optimizer = ours(name)([p], **numbers, differentiable=True, **settings)
    optimizer.param_groups[0][key] = x
    for _ in range(3):
        (p.grad,) = torch.autograd.grad(torch.sin(2 * p.clone()).sum(), p, create_graph=True)
        optimizer.step()
    return (p**2).sum()


SETTINGS = {"Rprop": {"decay": "decoupled"}, "Muon": {"ns_precision": "float64"}}
META = [(name, SETTINGS.get(name, {})) for name in ALL]
META += [("SGD", {"momentum": 0.9, "nesterov": True}), ("RMSprop", {"momentum": 0.9, "centered": True})]
META += [("Adam", {"decay": d}) for d in NAMED] + [("Adam", {"decay": "proximal", "regularizer": rz.L1()})]


def has_schedule(name: str, settings: dict[str, Any]) -> bool:
    return decay_of(ours(name)(weights(), **settings).param_groups[0]).needs_schedule


META_CASES = [
    pytest.param(name, settings, key, live, id=f"{name}-{settings}-{key}-{'written' if live else 'constructed'}")
    for name, settings in META
    for key in ("lr", "weight_decay")
    for live in (True, False)
    # constructed with another lr, lr/α is 1 as before: only a learning rate that moves has a slope through it
    if live or key == "weight_decay" or not has_schedule(name, settings)
]


@pytest.fixture
def every_warning():
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


@pytest.mark.usefixtures("every_warning")
@pytest.mark.parametrize(("name", "settings", "key", "live"), META_CASES)
def test_meta_gradients_agree_with_finite_differences(name: str, settings: Any, key: str, live: bool) -> None:
    at, h = 0.1, 1e-6
    x = torch.tensor(at, requires_grad=True)
    (slope,) = torch.autograd.grad(final_loss(name, key, x, live, **settings), x)
    plus, minus = (final_loss(name, key, at + d, live, **settings).item() for d in (h, -h))
    assert slope.item() == pytest.approx((plus - minus) / (2 * h), rel=1e-5, abs=1e-8)
    assert slope != 0
