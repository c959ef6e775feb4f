"""Which engine is taken, and that it is told why."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
import torch

import halflife
from halflife.engines import choose, foreach
from halflife.engines.choose import SMALL
from halflife.engines.library import Library, load
from halflife.engines.work import Work
from halflife.regularizers import L1, L2, GroupLasso, Scaled, Sum


class Subclass(torch.Tensor):
    pass


def tensors(count: int = 3, size: int = 4, device: str = "cpu") -> list[torch.Tensor]:
    return [torch.ones(size, device=device) for _ in range(count)]


def sparse() -> torch.Tensor:
    return torch.sparse_coo_tensor([[0]], [1.0], (4,), check_invariants=True)


def chosen(group: dict[str, Any], params: list[torch.Tensor], grads: Any = None, R: Any = None) -> tuple[str, str]:
    choice = choose(group, params, params if grads is None else grads, R or L2())
    return choice.name, choice.reason


REASONS = [
    ({"differentiable": True}, {}, "eager", "differentiable=True"),
    ({"foreach": False}, {}, "eager", "foreach=False or fused=False"),
    ({"fused": False}, {}, "eager", "foreach=False or fused=False"),
    ({}, {"grads": [*tensors(2), sparse()]}, "eager", "a gradient is sparse"),
    ({}, {"R": GroupLasso(0)}, "eager", "GroupLasso(dim=0) couples the coordinates"),
    ({}, {"R": Sum(L2(), Scaled(2.0, GroupLasso(0)))}, "eager", "couples the coordinates"),
    ({}, {"params": [*tensors(2), torch.ones(4).as_subclass(Subclass)]}, "eager", "a tensor subclass"),
    ({"foreach": True}, {}, "foreach", "foreach=True was given"),
    ({"fused": True}, {}, "foreach", "fused=True was given"),
    ({}, {"params": tensors(2, SMALL + 1)}, "eager", "on the CPU, 2 tensors of 2,049 numbers on average, each"),
    ({}, {"params": tensors(1)}, "eager", "on the CPU, 1 tensor"),
    ({}, {"params": []}, "eager", "on the CPU, 0 tensors"),
    ({}, {"params": tensors(2, SMALL)}, "foreach", "on the CPU, 2 tensors of 2,048 numbers on average share"),
    ({}, {}, "foreach", "on the CPU, 3 tensors of 4 numbers on average share"),
    ({}, {"params": tensors(1, 4, "meta")}, "foreach", "on an accelerator"),
    ({"foreach": True}, {"params": tensors(2, SMALL + 1)}, "foreach", "foreach=True was given"),
]


@pytest.mark.parametrize(("group", "given", "name", "reason"), REASONS)
def test_every_reason(group: dict[str, Any], given: dict[str, Any], name: str, reason: str) -> None:
    found = chosen(group, given.get("params", tensors()), given.get("grads"), given.get("R"))
    assert found[0] == name
    assert reason in found[1]


OBSTACLES: dict[str, dict[str, Any]] = {
    "differentiable": {"differentiable": True},
    "sparse": {"grads": [sparse()] * 3},
    "coupling": {"R": GroupLasso(0)},
    "subclass": {"params": [torch.ones(4).as_subclass(Subclass)] * 3},
}
MIXES = [mix for size in range(1, 5) for mix in combinations(OBSTACLES, size)]


@pytest.mark.parametrize("mix", MIXES, ids="+".join)
@pytest.mark.parametrize("flags", [{}, {"foreach": True}, {"fused": True}, {"foreach": None, "fused": None}], ids=str)
def test_an_obstacle_outweighs_every_wish(mix: tuple[str, ...], flags: dict[str, Any]) -> None:
    given = {key: value for obstacle in mix for key, value in OBSTACLES[obstacle].items()}
    group = {**flags, "differentiable": given.pop("differentiable", False)}
    assert chosen(group, given.get("params", tensors()), given.get("grads"), given.get("R"))[0] == "eager"


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """The works that the foreach engine is given."""
    works: list[Work] = []
    run = foreach.run

    def watch(work: Work) -> None:
        works.append(work)
        run(work)

    monkeypatch.setattr(foreach, "run", watch)
    return works


def step(optimizer: Any, gradient: Any) -> None:
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = gradient(p)
    optimizer.step()


@pytest.mark.parametrize("name", ["SGD", "Adagrad"])
def test_a_step_with_sparse_gradients_is_not_given_to_foreach(name: str, watched: list[Work]) -> None:
    optimizer = getattr(halflife, name)([torch.nn.Parameter(torch.ones(4)) for _ in range(3)], foreach=True)
    step(optimizer, lambda p: sparse())
    assert watched == []
    step(optimizer, torch.ones_like)
    assert len(watched) == 1


@pytest.mark.parametrize("regularizer", [None, L1(), GroupLasso(0), Sum(L2(), GroupLasso(0))], ids=repr)
def test_a_step_goes_where_engines_says(regularizer: Any, watched: list[Work]) -> None:
    groups = [{"params": [torch.nn.Parameter(torch.ones(4)) for _ in range(n)]} for n in (1, 3)]
    groups.append({"params": [torch.nn.Parameter(torch.ones(SMALL + 1)) for _ in range(2)]})
    optimizer = halflife.ProxAdam(groups, weight_decay=0.1, regularizer=regularizer)
    step(optimizer, torch.ones_like)
    names = [choice.name for choice in optimizer.engines()]
    couples = isinstance(regularizer, GroupLasso | Sum)
    native = isinstance(load(), Library) and not isinstance(regularizer, Sum)
    assert names == (["native"] * 3 if native else ["eager", "eager" if couples else "foreach", "eager"])
    assert len(watched) == names.count("foreach")


@pytest.mark.parametrize("flag", [{"foreach": True}, {"foreach": False}, {"differentiable": True}], ids=str)
def test_a_flag_may_change_between_two_steps(flag: dict[str, bool], watched: list[Work]) -> None:
    params = [torch.ones(4) for _ in range(3)]
    optimizer = halflife.Adam(params, foreach=False)
    optimizer.param_groups[0].update({"foreach": None, **flag})
    step(optimizer, torch.ones_like)
    assert len(watched) == (flag == {"foreach": True})


def test_a_regularizer_of_ones_own_goes_through_lists_tensor_by_tensor() -> None:
    """Its text may call any function of tensors; where a list has no kernel for it, each tensor gets it."""

    class Mine(L2):
        def descend(self, w: torch.Tensor, tau: float) -> torch.Tensor:
            return w - tau * torch.tanh(w) * w.norm().pow(2) * torch.where(w > 0, w, -w)

    results = []
    for flag in (True, False):
        params = [torch.linspace(-1, 1, 4).requires_grad_(), torch.ones(3).requires_grad_()]
        optimizer = halflife.SGD(params, foreach=flag, weight_decay=0.5, decay="independent", regularizer=Mine())
        step(optimizer, torch.zeros_like)
        results.append(torch.cat([p.detach() for p in params]))
    assert torch.equal(*results)
    assert (results[0][4:] - 1).abs().min() > 0.1


def test_a_parameter_without_gradient_does_not_shift_the_others() -> None:
    params = [torch.zeros(3, requires_grad=True), torch.zeros(2, 4).t().requires_grad_(), torch.zeros(5, 2)]
    params[2].requires_grad_()
    optimizer = halflife.AdamW(params)
    params[1].grad, params[2].grad = torch.ones(2, 4).t(), torch.ones(5, 2)
    name = optimizer.engines()[0].name
    optimizer.step()
    assert (name == "native") == (optimizer._stepping.table is not None)
