"""Training steps under ``torch.compile``: ``optimizer.step()`` is one operator in the graph and does the same."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import halflife
from halflife.engines.library import Missing, load

from .compiled import (
    WHOLE,
    assert_same,
    beside_uncompiled,
    dynamo,
    fresh_compiler,  # noqa: F401
    in_one_graph,
    marks,
    model_of,
    outcomes,
    two_groups,
)
from .users import each, ours, shapes_for

pytestmark = marks

ENGINES = {"native": {}, "foreach": {"engine": "foreach"}, "eager": {"engine": "eager"}}


@pytest.mark.parametrize("settings", [{}, WHOLE], ids=["plain", "whole"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["AdamW", "SGDW", "ProxAdam", "RMSprop"])
def test_a_step_is_one_operator_and_the_same_step(name: str, engine: str, settings: dict[str, Any]) -> None:
    make = lambda m: ours(name)(two_groups(m), lr=0.1, **ENGINES[engine], **settings)  # noqa: E731
    _, optimizer = beside_uncompiled(make, backend="eager" if settings else "aot_eager")
    assert {choice.name for choice in optimizer.engines()} == {engine} or isinstance(load(), Missing)
    assert not settings or optimizer.skipped_steps == 1
    assert dynamo.utils.counters["stats"]["unique_graphs"] == 2, "one with all gradients, one without the missing one"


@each
def test_every_optimizer(name: str) -> None:
    def groups(model: torch.nn.Sequential) -> list[dict[str, Any]]:
        """Of the parameters that the rule takes."""
        found = [{**group, "params": list(group["params"])} for group in two_groups(model)]
        takes = {shape for group in found for shape in shapes_for(ours(name), [p.shape for p in group["params"]])}
        return [{**group, "params": [p for p in group["params"] if p.shape in takes]} for group in found]

    beside_uncompiled(lambda m: ours(name)(groups(m), lr=0.01), n=2)


def test_by_inductor() -> None:
    beside_uncompiled(lambda m: halflife.AdamW(two_groups(m), lr=0.1, **WHOLE), n=3, backend="inductor")


@pytest.mark.parametrize("scheduled", [0.1, torch.tensor(0.1)], ids=["number", "tensor"])
def test_fifty_learning_rates_one_compilation(scheduled: Any) -> None:
    results: list[Any] = []
    for compiled in (False, True):
        model = model_of()
        optimizer = halflife.AdamW(model.parameters(), lr=copy.deepcopy(scheduled), max_grad_norm=1.0)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)
        step = torch.compile(lambda o=optimizer: o.step(), backend="aot_eager") if compiled else optimizer.step
        for i in range(50):
            model(torch.full((2, 4), i / 50)).pow(2).mean().backward()
            with dynamo.config.patch(error_on_recompile=i > 0):
                step()
            optimizer.zero_grad()
            scheduler.step()
        results.append(optimizer)
    assert_same(*results)
    assert dynamo.utils.counters["stats"]["unique_graphs"] == 1


def train(model: torch.nn.Sequential, optimizer: Any, x: Tensor) -> Tensor:
    """All in one graph, with weights read and written on both sides of two steps."""
    loss = model(x).pow(2).mean()
    loss.backward()
    with torch.no_grad():
        before = [p * 2 for p in model.parameters()]
        model[0].weight.mul_(0.99)
        optimizer.step()
        after = [p * 3 for p in model.parameters()]
        model[0].bias.add_(0.01)
        optimizer.step()
    for p in model.parameters():
        p.grad = None
    return torch.cat([x.flatten() for x in (loss.detach(), *before, *after, model(x).detach())])


@in_one_graph
@pytest.mark.parametrize("name", ["AdamW", "SGDW"])
@pytest.mark.parametrize("settings", [{}, WHOLE], ids=["plain", "whole"])
def test_training_in_one_graph(name: str, settings: dict[str, Any]) -> None:
    with dynamo.config.patch(trace_autograd_ops=True):
        seen, optimizers = outcomes(train, lambda m: ours(name)(two_groups(m), lr=0.1, **settings))
    assert all(map(torch.equal, *seen))
    assert_same(*optimizers)


@pytest.mark.slow
@in_one_graph
def test_training_in_one_graph_by_inductor() -> None:
    with dynamo.config.patch(trace_autograd_ops=True):
        seen, _ = outcomes(train, lambda m: halflife.AdamW(two_groups(m), lr=0.1, **WHOLE), backend="inductor")
    for x, y in zip(*seen, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)


def test_the_step_adds_no_break() -> None:
    model = model_of()
    optimizer = halflife.AdamW(model.parameters(), **WHOLE)

    def breaks(step: Callable[[], Any]) -> dict[str, int]:
        def train(x: Tensor) -> None:
            model(x).pow(2).mean().backward()
            step()
            model.zero_grad()

        dynamo.reset()
        dynamo.utils.counters.clear()
        dynamo.explain(train)(torch.randn(8, 4))
        # not explain's own list, which leaves out a break with no graph before it
        return dict(dynamo.utils.counters["graph_break"])

    without = breaks(lambda: None)
    assert sum(without.values()) == 1, "the one at backward()"
    assert breaks(optimizer.step) == without
