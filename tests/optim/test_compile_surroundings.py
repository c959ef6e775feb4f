"""What surrounds a compiled ``optimizer.step()``: other optimizers, hooks, closures, scalers."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

import halflife

from .compiled import (
    WHOLE,
    adamw,
    agree,
    assert_same,
    backward,
    beside_uncompiled,
    dynamo,
    feed,
    fresh_compiler,  # noqa: F401
    in_one_graph,
    marks,
    model_of,
    two_groups,
)

pytestmark = marks


def stepped(optimizer: Any) -> None:
    optimizer.step()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_optimizers_side_by_side_copied_and_gone(duplicate: Callable[[Any], Any]) -> None:
    ended: list[Any] = []
    for step in (stepped, torch.compile(stepped, backend="aot_eager", fullgraph=True)):
        models = [model_of(0), model_of(1)]
        optimizers: list[Any] = [adamw(models[0]), adamw(models[1], **WHOLE)]
        for model, optimizer in zip(models * 2, optimizers * 2, strict=True):
            feed(model, optimizer, partial(step, optimizer), 2)
        models[1], optimizers[1] = duplicate((models[1], optimizers[1]))
        gc.collect()
        for model, optimizer in zip(models, optimizers, strict=True):
            feed(model, optimizer, partial(step, optimizer), 2)
        ended.append(optimizers)
    assert_same(ended[0][0], ended[1][0])
    assert_same(ended[0][1], ended[1][1])


def test_no_optimizer_is_kept_alive() -> None:
    from halflife.optim import traced

    gc.collect()
    alive = len(traced._live)
    model = model_of()
    optimizer = adamw(model)
    feed(model, optimizer, torch.compile(lambda o=optimizer: o.step(), backend="eager"), 1)
    assert len(traced._live) == alive + 1
    dynamo.reset()
    del optimizer
    gc.collect()
    assert len(traced._live) == len(traced._keys) == alive


def test_in_threads() -> None:
    models = [model_of() for _ in range(4)]
    ended = [adamw(model, **WHOLE) for model in models]

    def work(i: int) -> None:
        for k in range(4):
            for j, p in enumerate(models[i].parameters()):
                p.grad = torch.full_like(p, 0.1 * k + j)
            steps[i](ended[i])

    steps = [stepped, *[torch.compile(stepped, backend="aot_eager", fullgraph=True)] * 3]
    for i in range(2):
        work(i)
    threads = [threading.Thread(target=work, args=(i,)) for i in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in (1, 2, 3):
        assert_same(ended[0], ended[i])


def test_groups_and_states_may_change_between_calls() -> None:
    ended: list[Any] = []
    for compiled in (False, True):
        model = model_of()
        optimizer = halflife.AdamW(model[0].parameters(), lr=0.1)
        step = torch.compile(optimizer.step, backend="aot_eager", fullgraph=True) if compiled else optimizer.step
        feed(model, optimizer, step, 2)
        optimizer.add_param_group({"params": model[2].parameters(), "lr": 0.02})
        feed(model, optimizer, step, 2)
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        optimizer.param_groups[1]["ema_decay"] = 0.5
        feed(model, optimizer, step, 2)
        optimizer.step()
        ended.append(optimizer)
    assert_same(*ended)


def test_hooks_are_traced_as_torchs_are() -> None:
    seen: list[str] = []

    def halve(optimizer: Any, *_: Any) -> None:
        seen.append("before")
        for p in optimizer.__dict__["param_groups"][0]["params"]:
            if p.grad is not None:
                p.grad.mul_(0.5)

    def make(model: torch.nn.Module) -> Any:
        optimizer = adamw(model, max_grad_norm=0.1)
        optimizer.register_step_pre_hook(halve)
        optimizer.register_step_post_hook(lambda *_: seen.append("after"))
        return optimizer

    beside_uncompiled(make, n=3)
    assert seen == ["before", "after"] * 6


@in_one_graph
def test_a_closure() -> None:
    agree(lambda model, optimizer, x: optimizer.step(lambda: backward(model, x)))


@in_one_graph
def test_the_norm_read_in_the_graph_is_of_this_step() -> None:
    def body(model: Any, optimizer: Any, x: Tensor) -> Any:
        backward(model, x)
        optimizer.step()
        return optimizer.grad_norm

    agree(body, lambda m: adamw(m, max_grad_norm=0.1))


@in_one_graph
def test_a_learning_rate_tensor_written_on_both_sides() -> None:
    def body(model: Any, optimizer: Any, x: Tensor) -> Tensor:
        loss = backward(model, x)
        lr = optimizer.__dict__["param_groups"][1]["lr"]
        lr.mul_(0.5)
        optimizer.step()
        lr.mul_(1.8)
        return loss

    def make(model: Any) -> Any:
        groups = two_groups(model)
        groups[1]["lr"] = torch.tensor(0.1)
        return halflife.AdamW(groups, engine="eager")

    agree(body, make)


def test_a_grad_scaler() -> None:
    scaler = torch.amp.GradScaler("cpu")

    def body(model: Any, optimizer: Any, x: Tensor) -> Tensor:
        loss = model(x).pow(2).mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        return loss.detach()

    agree(body, lambda m: adamw(m, max_grad_norm=0.1), fullgraph=False, traced=False)


def test_a_scale_in_the_graph() -> None:
    """What a scaler hangs on the optimizer, hung there by traced code: nothing but the graph knows of it."""

    def body(model: Any, optimizer: Any, x: Tensor) -> Tensor:
        optimizer.grad_scale, optimizer.found_inf = x[0, 0].abs(), (x[0, 1] > 1).float()
        optimizer.step()
        del optimizer.grad_scale, optimizer.found_inf
        return x

    def make(model: Any) -> Any:
        backward(model, torch.ones(2, 4))
        return adamw(model)

    one, other = agree(body, make, traced=False)
    assert not hasattr(one, "grad_scale")
    assert not hasattr(other, "grad_scale")
