"""A step fused with backward, while the optimizer's groups change: as without fusing."""

from __future__ import annotations

import copy
import weakref
from typing import Any

import pytest
import torch

import halflife

from .users import build, data, train


def swapped(optimizer: Any) -> None:
    """Two parameters change places: no group is longer or shorter than before."""
    one, two = (group["params"] for group in optimizer.param_groups)
    one[0], two[0] = two[0], one[0]


def moved(optimizer: Any) -> None:
    optimizer.param_groups[1]["params"].append(optimizer.param_groups[0]["params"].pop(0))


def put_back(optimizer: Any) -> None:
    optimizer.param_groups.append(optimizer.param_groups.pop(0))


def loaded(optimizer: Any) -> None:
    """Other dicts are the groups now, and other tensors their states."""
    saved = copy.deepcopy(optimizer.state_dict())
    saved["param_groups"][0]["lr"] = 0.2
    optimizer.load_state_dict(saved)


def replaced(optimizer: Any) -> None:
    optimizer.param_groups[:] = [{**group, "lr": 0.3} for group in optimizer.param_groups]


def one_group(optimizer: Any) -> None:
    optimizer.param_groups[0]["params"] += optimizer.param_groups.pop()["params"]


def late(optimizer: Any) -> None:
    optimizer.add_param_group({"params": [optimizer.param_groups[0]["params"].pop(0)], "lr": 0.2})


CHANGES = [swapped, moved, put_back, loaded, replaced, one_group, late]
CHANGES += [lambda o: o.param_groups.pop(), lambda o: o.param_groups.pop(0)]
CHANGES += [lambda o: o.param_groups[0]["params"].pop(0), lambda o: o.param_groups.clear()]


@pytest.mark.parametrize("change", CHANGES)
def test_groups_may_change_between_two_steps(change: Any) -> None:
    def run(fuse: bool, changed: bool = True) -> tuple[torch.Tensor, Any]:
        net, optimizer = build()
        if fuse:
            halflife.fuse_with_backward(net, optimizer)
        for k in range(6):
            if k == 3 and changed:
                change(optimizer)
            net.zero_grad()
            net(data(k), rare=True).square().sum().backward()
            if k == 3 and change is swapped:
                assert (net.first.weight.grad is None) == fuse
            optimizer.step()
            optimizer.zero_grad()
        state = [dict(optimizer.state.get(p, {})) for p in net.parameters()]
        return torch.cat([p.detach().flatten() for p in net.parameters()]), state

    (fused, its_state), (plain, state) = run(True), run(False)
    assert torch.equal(fused, plain)
    torch.testing.assert_close(its_state, state, rtol=0, atol=0)
    assert change is put_back or (fused - run(True, changed=False)[0]).abs().max() > 1e-3


def test_a_copy_is_not_fused_and_trains_on_alike() -> None:
    net, optimizer = build()
    halflife.fuse_with_backward(net, optimizer)
    train(net, optimizer, steps=3)
    other, its_optimizer = copy.deepcopy((net, optimizer))
    other(data(0)).square().sum().backward()
    assert other.first.weight.grad is not None
    other.zero_grad()
    assert torch.equal(train(other, its_optimizer, start=3), train(net, optimizer, start=3))


def test_what_has_left_is_freed() -> None:
    net, optimizer = build()
    halflife.fuse_with_backward(net, optimizer)
    train(net, optimizer, steps=1)
    left = weakref.ref(net.rare.weight)
    optimizer.param_groups.pop()
    optimizer.state.clear()
    del net
    assert left() is None
