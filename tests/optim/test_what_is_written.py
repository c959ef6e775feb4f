"""What a step writes, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch

from .users import (
    ENGINES,
    each,
    each_engine,
    give_gradients,
    ours,
    train,
    weights,
)

pytestmark = pytest.mark.usefixtures("double_precision")


@each
@pytest.mark.parametrize("flags", [*ENGINES, {}, {"differentiable": True}, {"maximize": True}], ids=str)
def test_gradients_are_never_written(name: str, flags: dict[str, bool]) -> None:
    tricky = {"SGD": {"momentum": 0.9, "nesterov": True}, "RMSprop": {"momentum": 0.9, "centered": True}}
    p = torch.randn(3, 4).requires_grad_().clone()
    p.retain_grad()
    optimizer = ours(name)([p], lr=0.1, weight_decay=0.3, **tricky.get(name, {}), **flags)
    for k in range(4):
        give_gradients(optimizer, k)
        grad, was, version = p.grad, p.grad.clone(), p.grad._version
        optimizer.step()
        assert p.grad is grad
        assert (p.grad == was).all()
        assert grad._version == version
        assert not any(x.data_ptr() == grad.data_ptr() for x in optimizer.state[p].values())


@each
@each_engine
def test_parameters_without_gradient_are_left_alone(name: str, engine: dict[str, bool]) -> None:
    counts, still, moving = (
        torch.tensor([[1, 2]]),
        torch.nn.Parameter(torch.ones(3, 1)),
        torch.nn.Parameter(torch.ones(3, 1)),
    )
    optimizer = ours(name)([counts, still, moving], lr=0.1, weight_decay=0.5, **engine)
    moving.grad = torch.ones(3, 1)
    optimizer.step()
    assert counts.tolist() == [[1, 2]]
    assert (still == 1).all()
    assert (moving != 1).all()
    assert name == "Adagrad" or set(optimizer.state) <= {moving}  # Adagrad makes its states at construction
    for p in (still, moving):
        p.grad = None
    optimizer.step()
    assert (still == 1).all()


@each
@each_engine
def test_parameters_stay_the_same_objects(name: str, engine: dict[str, bool]) -> None:
    params = weights()
    where, versions = [p.data_ptr() for p in params], [p._version for p in params]
    optimizer = ours(name)(params, **engine)
    train(optimizer, 2)
    assert [p.data_ptr() for p in params] == where
    assert all(p._version > v for p, v in zip(params, versions, strict=True))
    assert all(p.is_leaf and p.requires_grad for p in params)
    assert not any(x.requires_grad for s in optimizer.state.values() for x in s.values())
