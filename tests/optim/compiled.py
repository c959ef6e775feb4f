"""What the tests of compiled steps share: a model, steps of all kinds, an uncompiled twin to compare with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import halflife
from halflife.optim import traced

dynamo = pytest.importorskip("torch._dynamo")
traceable = pytest.mark.skipif(not traced.TRACEABLE, reason="this torch cannot have the step in a graph")
marks = [pytest.mark.filterwarnings("ignore"), traceable]
in_one_graph = pytest.mark.skipif(
    not hasattr(dynamo.config, "trace_autograd_ops"), reason="this torch breaks the graph at backward()"
)


WHOLE: dict[str, Any] = {"max_grad_norm": 0.1, "ema_decay": 0.9, "skip_nonfinite": True}


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    dynamo.reset()
    dynamo.utils.counters.clear()
    yield
    dynamo.reset()
    # torch 2.13 hangs the source of a gradient that traced code set to None on the one None that all graphs share
    constant = dynamo.variables.constant
    getattr(constant, "CONSTANT_VARIABLE_NONE", constant).source = None


def model_of(seed: int = 0) -> torch.nn.Sequential:
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))


def two_groups(model: torch.nn.Sequential) -> list[dict[str, Any]]:
    return [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.03, "weight_decay": 0.1}]


def everything(optimizer: Any) -> list[Tensor]:
    params = [p for group in optimizer.param_groups for p in group["params"]]
    states = [x for p in params for x in optimizer.state[p].values()]
    norm = float("nan") if optimizer.grad_norm is None else float(optimizer.grad_norm)
    return [*(p.detach() for p in params), *states, torch.tensor([norm, optimizer.skipped_steps])]


def assert_same(one: Any, other: Any) -> None:
    assert len(everything(one)) == len(everything(other))
    for x, y in zip(everything(one), everything(other), strict=True):
        assert torch.equal(x.nan_to_num(), y.nan_to_num())


def feed(model: torch.nn.Sequential, optimizer: Any, step: Callable[[], Any], n: int, seed: int = 1) -> None:
    """Steps with a moving learning rate, one gradient that is missing and one that is not finite."""
    torch.manual_seed(seed)
    for i in range(n):
        optimizer.zero_grad()
        model(torch.randn(8, 4)).pow(2).mean().backward()
        if i == 2:
            model[2].bias.grad = None
        if i == 4:
            model[0].weight.grad[1, 1] = torch.nan
        for group in optimizer.param_groups:
            group["lr"] *= 0.9
        step()


def beside_uncompiled(
    make: Callable[[Any], Any], n: int = 6, seed: int = 1, **options: Any
) -> tuple[torch.nn.Sequential, Any]:
    options = {"backend": "aot_eager", "fullgraph": True, **options}
    results: list[tuple[torch.nn.Sequential, Any]] = []
    for compiled in (False, True):
        model = model_of()
        optimizer = make(model)
        step = torch.compile(optimizer.step, **options) if compiled else optimizer.step
        feed(model, optimizer, step, n, seed)
        results.append((model, optimizer))
    assert_same(results[0][1], results[1][1])
    return results[1]


def as_tensor(x: Any) -> Tensor:
    return x.clone() if isinstance(x, Tensor) else torch.tensor(x, dtype=torch.float64)


def outcomes(
    body: Callable[..., Any], make: Callable[[Any], Any], n: int = 5, **options: Any
) -> tuple[list[list[Tensor]], list[Any]]:
    seen: list[list[Tensor]] = []
    optimizers: list[Any] = []
    for compiled in (False, True):
        model = model_of()
        optimizer = make(model)
        step = torch.compile(body, **{"backend": "aot_eager", "fullgraph": True, **options}) if compiled else body
        torch.manual_seed(1)
        seen.append([as_tensor(step(model, optimizer, torch.randn(8, 4))) for _ in range(n)])
        optimizers.append(optimizer)
    return seen, optimizers


def adamw(model: torch.nn.Module, **settings: Any) -> halflife.AdamW:
    return halflife.AdamW(model.parameters(), lr=0.1, **settings)


def backward(model: torch.nn.Module, x: Tensor) -> Tensor:
    for p in model.parameters():
        p.grad = None
    loss = model(x).pow(2).mean()
    loss.backward()
    return loss.detach()


def agree(
    body: Callable[..., Any], make: Callable[[Any], Any] = adamw, *, traced: bool = True, **options: Any
) -> list[Any]:
    with dynamo.config.patch(trace_autograd_ops=traced):
        seen, optimizers = outcomes(body, make, **options)
    for x, y in zip(*seen, strict=True):
        assert torch.equal(x.double(), y.double())
    assert_same(*optimizers)
    return optimizers
