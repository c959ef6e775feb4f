"""The rules of those frameworks that differ from PyTorch: what their checkpoints hold, also under older names."""

from __future__ import annotations

import pytest
import torch

from .problem import GRADS, ours, parameter

RENAMED = {"keras-sgd": "momentum_type", "timm-nadamw": "first_moment", "optax-nadamw": "first_moment"}


@pytest.mark.parametrize("name", RENAMED)
def test_a_state_dict_that_says_look_is_loaded(name: str) -> None:
    options = {"nesterov": True} if name == "keras-sgd" else {}

    def stepped(steps: int) -> tuple[torch.nn.Parameter, torch.optim.Optimizer]:
        p = parameter()
        optimizer = ours(name, **options)([p])
        for g in GRADS[:steps]:
            p.grad = torch.tensor(g)
            optimizer.step()
        return p, optimizer

    p, optimizer = stepped(3)
    saved = optimizer.state_dict()
    for group in saved["param_groups"]:
        group["look"] = group.pop(RENAMED[name])
    q = torch.nn.Parameter(p.detach().clone())
    other = ours(name)([q])
    other.load_state_dict(saved)
    assert "look" not in other.param_groups[0]
    assert other.param_groups[0][RENAMED[name]] == optimizer.param_groups[0][RENAMED[name]]
    q.grad = torch.tensor(GRADS[3])
    other.step()
    assert torch.equal(q, stepped(4)[0])
    assert all("look" in group for group in saved["param_groups"])  # the caller's own dict is left alone


def test_a_state_dict_without_the_setting_is_refused_by_its_present_name() -> None:
    optimizer = ours("keras-sgd")([parameter()])
    saved = optimizer.state_dict()
    del saved["param_groups"][0]["momentum_type"]
    with pytest.raises(KeyError, match="momentum_type"):
        optimizer.load_state_dict(saved)
