"""The step inside backward: the same numbers, gradients that are freed, and refusals of what cannot work."""

from __future__ import annotations

import copy
import io
import threading
import warnings
import weakref
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import halflife
from halflife.catalogue import rule_of
from halflife.regularizers import L1, GroupLasso, TowardInit

from ..optim.users import each, ours
from .users import Net, build, data, train


def same(optimizer_kwargs: dict[str, Any], make: Any = halflife.AdamW) -> None:
    plain, fused = build(make, **optimizer_kwargs), build(make, **optimizer_kwargs)
    start = torch.cat([p.detach().flatten() for p in fused[0].parameters()])
    expected = train(*plain)
    halflife.fuse_with_backward(*fused)
    assert torch.equal(train(*fused), expected)
    assert (expected - start).abs().max() > 1e-3
    assert_same_state(plain[1].state_dict(), fused[1].state_dict())


def assert_same_state(a: Any, b: Any) -> None:
    torch.testing.assert_close(a["state"], b["state"], rtol=0, atol=0)
    assert a["param_groups"] == b["param_groups"]


@each
def test_bit_for_bit_as_without(name: str) -> None:
    if rule_of(ours(name)).acts_on != "matrices":
        same({}, ours(name))
        return
    same({}, lambda groups, **k: ours(name)([p for g in groups for p in g["params"] if p.ndim > 1], **k))


@pytest.mark.parametrize(
    "kwargs",
    [
        {"engine": "eager"},
        {"decay": "independent", "amsgrad": True},
        {"decay": "proximal", "regularizer": L1()},
        {"decay": "proximal", "regularizer": GroupLasso(dim=0)},
        {"decay": "proximal", "regularizer": TowardInit()},
        {"ema_decay": 0.9},
        {"state_dtype": "8bit"},
        {"capturable": True},
        {"maximize": True},
    ],
    ids=str,
)
def test_every_setting(kwargs: dict[str, Any]) -> None:
    make = halflife.AdamW
    if isinstance(kwargs.get("regularizer"), GroupLasso):
        make = lambda groups, **k: halflife.AdamW([p for g in groups for p in g["params"] if p.ndim > 1], **k)  # noqa: E731
    same(kwargs, make)


@pytest.mark.parametrize("rounding", ["kahan", "stochastic"])
def test_half_precision(rounding: str) -> None:
    def weights(fuse: bool) -> torch.Tensor:
        net, optimizer = build(rounding=rounding)
        net.bfloat16()
        if fuse:
            halflife.fuse_with_backward(net, optimizer)
        for k in range(4):
            net(data(k).bfloat16()).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        return torch.cat([p.detach().flatten() for p in net.parameters()])

    assert torch.equal(weights(True), weights(False))


def test_gradients_are_never_all_there() -> None:
    def peak(fuse: bool) -> int:
        torch.manual_seed(0)
        net = nn.Sequential(*(nn.Linear(16, 16, bias=False) for _ in range(8)))
        optimizer = halflife.AdamW(net.parameters())
        alive: list[Any] = []
        most = 0

        def count(p: torch.Tensor) -> None:
            nonlocal most
            alive.append(weakref.ref(p.grad.untyped_storage()))
            most = max(most, sum(r() is not None for r in alive))

        for p in net.parameters():
            p.register_post_accumulate_grad_hook(count)
        if fuse:
            halflife.fuse_with_backward(net, optimizer)
        for _ in range(3):
            net(torch.ones(2, 16)).sum().backward()
            optimizer.step()
            assert all((p.grad is None) == fuse for p in net.parameters())
            optimizer.zero_grad()
        return most

    assert peak(False) == 8
    assert peak(True) <= 2


def test_accumulation_steps_with_the_sum() -> None:
    results = []
    for fuse in (False, True):
        net, optimizer = build()
        fused = halflife.fuse_with_backward(net, optimizer) if fuse else None
        for k in range(0, 6, 2):
            if fused:
                with fused.accumulate():
                    net(data(k)).square().sum().backward()
                assert net.first.weight.grad is not None
            else:
                net(data(k)).square().sum().backward()
            net(data(k + 1)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        results.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
    assert torch.equal(*results)


def test_a_closure_steps_by_its_own_backward() -> None:
    results = []
    for fuse in (False, True):
        net, optimizer = build()
        if fuse:
            halflife.fuse_with_backward(net, optimizer)
        for k in range(3):

            def closure(k: int = k, net: Any = net, optimizer: Any = optimizer) -> torch.Tensor:
                optimizer.zero_grad()
                loss = net(data(k)).square().sum()
                loss.backward()
                return loss

            assert optimizer.step(closure) > 0
        results.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
    assert torch.equal(*results)


def test_accumulation_unannounced_is_refused_before_anything_moves() -> None:
    net, optimizer = build()
    halflife.fuse_with_backward(net, optimizer)
    net(data(0)).sum().backward()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(RuntimeError, match="second gradient before"):
        net(data(1)).sum().backward()
    torch.testing.assert_close(before, net.state_dict(), rtol=0, atol=0)


def test_schedulers_do_not_warn_where_step_is_left_out() -> None:
    net, optimizer = build()
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    halflife.fuse_with_backward(net, optimizer)
    net(data(0)).sum().backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule.step()


def test_reentrant_checkpoints_of_a_shared_module_are_refused_the_other_kind_is_right() -> None:
    def run(fuse: bool, reentrant: bool) -> torch.Tensor:
        net, optimizer = build()
        if fuse:
            halflife.fuse_with_backward(net, optimizer)
        x = net.first(data(0)).tanh()
        for _ in range(2):
            x = checkpoint(lambda x: net.shared(x).tanh(), x, use_reentrant=reentrant)  # type: ignore
        net.last(x).square().sum().backward()
        optimizer.step()
        return torch.cat([p.detach().flatten() for p in net.parameters()])

    assert torch.equal(run(True, False), run(False, False))
    with pytest.raises(RuntimeError, match="use_reentrant=False"):
        run(True, True)


def test_checkpoints_and_removal_cross_over() -> None:
    plain, fused = build(), build()
    handle = halflife.fuse_with_backward(*fused)
    train(*plain, steps=3)
    train(*fused, steps=3)
    file = io.BytesIO()
    torch.save(fused[1].state_dict(), file)
    file.seek(0)
    fused[1].load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(train(*plain, steps=2, start=3), train(*fused, steps=2, start=3))
    handle.remove()
    handle.remove()
    assert torch.equal(train(*plain, steps=2, start=5), train(*fused, steps=2, start=5))
    assert_same_state(plain[1].state_dict(), fused[1].state_dict())
    with halflife.fuse_with_backward(*fused):
        train(*fused, steps=1)
    net = fused[0]
    net(data(0)).sum().backward()
    assert net.first.weight.grad is not None


def test_formats_changed_between_two_steps() -> None:
    def run(fuse: bool) -> Any:
        net, optimizer = build()
        handle = halflife.fuse_with_backward(net, optimizer) if fuse else None
        train(net, optimizer, 2)
        for group in optimizer.param_groups:
            group["state_dtype"] = torch.bfloat16
        train(net, optimizer, 2)
        if handle:
            handle.remove()
        return train(net, optimizer, 2)

    assert torch.equal(run(True), run(False))


def test_what_has_no_hook_is_stepped_by_step() -> None:
    nets = []
    for fuse in (False, True):
        net, optimizer = build()
        if fuse:
            halflife.fuse_with_backward(net, optimizer)
        train(net, optimizer, 2)
        net.frozen.requires_grad_(True)
        extra = nn.Linear(2, 2)
        nn.init.ones_(extra.weight)
        optimizer.add_param_group({"params": [extra.weight]})
        for k in range(3):
            extra(net(data(k))).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            extra.zero_grad()
        nets.append(torch.cat([p.detach().flatten() for p in (*net.parameters(), extra.weight)]))
    assert torch.equal(*nets)


def test_a_compiled_model() -> None:
    results = []
    for fuse in (False, True):
        net, optimizer = build()
        if fuse:
            halflife.fuse_with_backward(net, optimizer)
        compiled = torch.compile(net, backend="aot_eager")
        for k in range(2):
            compiled(data(k)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        results.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
    assert torch.equal(*results)


def test_a_lost_decay_is_told_once_for_a_group() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).bfloat16()
    optimizer = halflife.AdamW(
        [{"params": [nn.Parameter(torch.ones(1))]}, {"params": net.parameters()}], weight_decay=1e-3
    )
    halflife.fuse_with_backward(net, optimizer)
    with pytest.warns(UserWarning, match="parameter group 1: the decay multiplies") as told:
        net(torch.ones(1, 2).bfloat16()).sum().backward()
    assert len(told) == 1
    assert told[0].filename == __file__
    optimizer.step()
    optimizer.param_groups.pop(0)
    optimizer.param_groups[0]["weight_decay"] = 1e-4
    with pytest.warns(UserWarning, match="parameter group 0: the decay multiplies"):
        net(torch.ones(1, 2).bfloat16()).sum().backward()


@pytest.mark.parametrize("by", ["zero_grad", "an exception"])
def test_a_batch_may_be_given_up(by: str) -> None:
    net, optimizer = build(halflife.SGD, lr=0.1, weight_decay=0.0)
    halflife.fuse_with_backward(net, optimizer)
    given_up = net(data(0)).square().sum()
    if by == "an exception":
        net.first.weight.register_hook(lambda g: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            given_up.backward()
        net.first.weight._backward_hooks.clear()
    else:
        given_up.backward()
        optimizer.zero_grad()
    before = net.last.weight.detach().clone()
    net(data(1)).square().sum().backward()
    optimizer.step()
    assert (net.last.weight - before).abs().min() > 0


def test_sparse_gradients_are_refused_in_the_optimizers_name() -> None:
    table = nn.Embedding(4, 2, sparse=True)
    optimizer = halflife.NAdam(table.parameters())
    halflife.fuse_with_backward(table, optimizer)
    with pytest.raises(RuntimeError, match="NAdam does not support sparse gradients"):
        table(torch.tensor([1])).sum().backward()


def test_backward_in_another_thread() -> None:
    plain, fused = build(), build()
    halflife.fuse_with_backward(*fused)
    thread = threading.Thread(target=train, args=fused)
    thread.start()
    thread.join()
    assert torch.equal(train(*plain), torch.cat([p.detach().flatten() for p in fused[0].parameters()]))


class DistributedDataParallel(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"max_grad_norm": 1.0}, "max_grad_norm=1.0 clips by the norm of all gradients"),
        ({"skip_nonfinite": True}, "skip_nonfinite=True decides on a step by all gradients"),
        ({"differentiable": True}, "differentiable=True keeps each step"),
    ],
)
def test_settings_that_need_all_gradients_are_refused(kwargs: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        halflife.fuse_with_backward(*build(**kwargs))


def test_settings_changed_later_are_refused_then() -> None:
    net, optimizer = build()
    halflife.fuse_with_backward(net, optimizer)
    for group in optimizer.param_groups:
        group["max_grad_norm"] = 1.0
    with pytest.raises(ValueError, match="never has them all"):
        net(data(0)).sum().backward()


def test_who_cannot_be_fused_is_told_so() -> None:
    net, optimizer = build()
    with pytest.raises(TypeError, match="takes a model and an optimizer of halflife, not Net and Adam"):
        halflife.fuse_with_backward(net, torch.optim.Adam(net.parameters()))  # type: ignore
    with pytest.raises(ValueError, match="DistributedDataParallel reduces the gradients"):
        halflife.fuse_with_backward(DistributedDataParallel(net), optimizer)
    with pytest.raises(ValueError, match="none of the model's parameters"):
        halflife.fuse_with_backward(Net(), optimizer)
    halflife.fuse_with_backward(net, optimizer)
    with pytest.raises(ValueError, match="fused with backward already"):
        halflife.fuse_with_backward(net, optimizer)


@pytest.mark.parametrize("unscale", [False, True])
def test_a_scaler_is_refused(unscale: bool) -> None:
    net, optimizer = build()
    halflife.fuse_with_backward(net, optimizer)
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(net(data(0)).sum()).backward()
    if unscale:
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="a GradScaler needs all gradients"):
        scaler.step(optimizer)
