"""What a compiled ``optimizer.step()`` leaves outside the graph, and what it must not get wrong at its edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import halflife
from halflife.optim import traced

from .compiled import (
    WHOLE,
    adamw,
    agree,
    assert_same,
    backward,
    beside_uncompiled,
    feed,
    fresh_compiler,  # noqa: F401
    marks,
    model_of,
)

pytestmark = marks


def write_a_number(_: Any, optimizer: Any, x: Tensor) -> Tensor:
    group = optimizer.__dict__["param_groups"][0]
    group["lr"] = 0.5
    optimizer.step()
    group["lr"] = 0.1
    return x


def test_a_number_written_before_the_step_breaks_the_graph() -> None:
    def make(model: Any) -> Any:
        backward(model, torch.ones(2, 4))
        return adamw(model)

    agree(write_a_number, make, fullgraph=False, traced=False)
    with pytest.raises(Exception, match="written to before"):
        agree(write_a_number, make, traced=False)


def differentiable(model: Any) -> Any:
    return halflife.AdamW([p.detach().clone() for p in model.parameters()], lr=0.1, differentiable=True)


def twice(model: Any) -> Any:
    return halflife.SGD([*model.parameters(), *model.parameters()], lr=0.1)


@pytest.mark.parametrize("make", [differentiable, twice])
def test_what_no_operator_can_do_stays_outside(make: Callable[[Any], Any]) -> None:
    def body(_: Any, optimizer: Any, x: Tensor) -> Tensor:
        for p in optimizer.__dict__["param_groups"][0]["params"]:
            p.grad = torch.cos(p.detach() + x[0, 0])
        with torch.no_grad():
            optimizer.step()
        return x

    agree(body, make, fullgraph=False, traced=False)


def test_sparse_gradients_stay_outside() -> None:
    table = torch.nn.Embedding(5, 3, sparse=True)
    optimizer = halflife.SGD(table.parameters(), lr=1.0)
    table(torch.tensor([1, 2])).sum().backward()
    before = table.weight.detach().clone()
    torch.compile(optimizer.step, backend="eager")()
    assert (before - table.weight).sum(1).tolist() == pytest.approx([0, 3, 3, 0, 0], abs=1e-5)


def test_a_torch_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traced, "TRACEABLE", False)
    beside_uncompiled(lambda m: adamw(m, **WHOLE), fullgraph=False)


def test_parameters_in_one_buffer() -> None:
    ended: list[Any] = []
    for compiled in (False, True):
        flat = torch.linspace(-1, 1, 12)
        params = [flat[:4], flat[4:].view(2, 4)]
        optimizer = halflife.AdamW(params, lr=0.1, max_grad_norm=1.0)

        def step(optimizer: Any = optimizer) -> None:
            optimizer.step()

        run = torch.compile(step, backend="aot_eager", fullgraph=True) if compiled else step
        for k in range(5):
            for p in params:
                p.grad = torch.cos(p + k)
            run()
        ended.append(optimizer)
    assert_same(*ended)


def operands() -> tuple[Any, list[Tensor], tuple[Any, ...]]:
    """A live optimizer, its parameters, and what a graph hands the operator: copies of them, and so on."""
    model = model_of()
    optimizer = adamw(model, max_grad_norm=0.1)
    feed(model, optimizer, torch.compile(lambda o=optimizer: o.step(), backend="eager"), 2)
    own = [p.detach() for p in model.parameters()]
    copies = [p + 1 for p in own]
    return (
        optimizer,
        own,
        (copies, [torch.ones_like(p) for p in own], [], None, None, [0, 1, 2, 3], [], traced._keys[optimizer]),
    )


def test_the_operator_keeps_torchs_rules() -> None:
    _optimizer, _, args = operands()
    torch.library.opcheck(traced._step, args, test_utils=("test_schema", "test_faketensor"))


def test_copies_alone_are_stepped() -> None:
    """A backend may read the original after the operator: it is the graph's."""
    _optimizer, own, args = operands()
    before, started = [p.clone() for p in own], [q.clone() for q in args[0]]
    traced._step(*args)
    assert all(map(torch.equal, own, before))
    for q, start in zip(args[0], started, strict=True):
        assert (q - start).abs().min() > 0
        assert (q - start).abs().max() < 0.2
