"""ZeRO, FSDP1 and DDP around the optimizer or the model: plain tensors, of which each process may have some."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.nn.parallel import DistributedDataParallel

import halflife
from halflife import regularizers as rz
from halflife.schedules import LinearWD, TiedWD
from tests.sharded.launch import case
from tests.sharded.models import (
    assert_alike,
    assert_copies_agree,
    assert_near,
    assert_same_norm,
    model,
    put_gradients,
    shard,
    step_both,
    whole,
)

STRONG: dict[str, Any] = {"lr": 0.05, "weight_decay": 0.5}


def world() -> Any:
    return torch.distributed.group.WORLD


def zero(params: list[Tensor], **settings: Any) -> Any:
    make = partial(halflife.AdamW, process_group=world())
    return ZeroRedundancyOptimizer(params, make, **settings)


@case(2, 4)
def zero_clips_by_the_norm_of_all() -> None:
    one, net = model(), model()
    theirs, ours = list(one.parameters()), list(net.parameters())
    a = halflife.AdamW(theirs, max_grad_norm=0.5, **STRONG)
    b = zero(ours, max_grad_norm=0.5, **STRONG)
    step_both(a, theirs, b, ours, 3)
    assert_alike(theirs, ours)


@case(2)
def zero_skips_alike() -> None:
    net = model()
    params = list(net.parameters())
    optimizer = zero(params, skip_nonfinite=True, **STRONG)
    before = [p.detach().clone() for p in params]
    put_gradients(params, 0)
    assert params[0].grad is not None
    params[0].grad[0] = float("nan")  # of a parameter that one process alone steps
    optimizer.step()
    assert all(torch.equal(p, w) for p, w in zip(params, before, strict=True))
    assert optimizer.optim.skipped_steps == 1


@case(2)
def a_schedule_of_decay_moves_under_zero() -> None:
    one, net = model(), model()
    theirs, ours = list(one.parameters()), list(net.parameters())
    schedules = [LinearWD(0.9, 0.0, 3), LinearWD(0.9, 0.0, 3)]
    a = halflife.AdamW(theirs, lr=0.05, weight_decay=schedules[0])
    b = ZeroRedundancyOptimizer(ours, halflife.AdamW, lr=0.05, weight_decay=schedules[1])
    for t in range(4):
        put_gradients(theirs, t)
        put_gradients(ours, t)
        a.step()
        b.step()
        for schedule in schedules:
            schedule.step()
    assert_alike(theirs, ours)


@case(2)
def a_decay_tied_to_the_learning_rate_follows_it_under_zero() -> None:
    one, net = model(), model()
    theirs, ours = list(one.parameters()), list(net.parameters())
    a = halflife.AdamW(theirs, lr=0.2, weight_decay=TiedWD(2.0))
    b = ZeroRedundancyOptimizer(ours, halflife.AdamW, lr=0.2, weight_decay=TiedWD(2.0))
    schedulers = [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5) for optimizer in (a, b)]
    for t in range(4):
        put_gradients(theirs, t)
        put_gradients(ours, t)
        a.step()
        b.step()
        for scheduler in schedulers:
            scheduler.step()
    assert a.param_groups[0]["weight_decay"] == pytest.approx(0.25)
    assert_alike(theirs, ours)


@case(2)
def a_copy_has_lost_its_process_group() -> None:
    optimizer = halflife.AdamW([nn.Parameter(torch.ones(3))], max_grad_norm=1.0, process_group=world())
    copied = copy.deepcopy(optimizer)
    copied.param_groups[0]["params"][0].grad = torch.ones(3)
    with pytest.raises(RuntimeError, match="process_group"):
        copied.step()
    copied.process_group = world()
    copied.step()
    net = shard(model(), "fsdp")
    of_shards = copy.deepcopy(halflife.AdamW(net.parameters(), max_grad_norm=1.0, process_group=world()))
    put_gradients(of_shards.param_groups[0]["params"], 0)
    with pytest.raises(RuntimeError, match="process_group"):
        of_shards.step()


def _fsdp1(net: nn.Module, original: bool) -> nn.Module:
    return FullyShardedDataParallel(net, use_orig_params=original, device_id=torch.device("cpu"))


@case(2, original=[True, False])
def fsdp1_clips_by_the_norm_of_all(original: bool) -> None:
    one, net = model(), _fsdp1(model(), original)
    theirs, ours = list(one.parameters()), list(net.parameters())
    for settings in ({"max_grad_norm": 0.5}, {"skip_nonfinite": True}):
        with pytest.raises(ValueError, match="process_group"):
            halflife.AdamW(ours, **STRONG, **settings)
    with pytest.raises(ValueError, match="flat shards"):
        halflife.AdamW(ours, decay="proximal", regularizer=rz.GroupLasso(dim=0), **STRONG)
    a = halflife.AdamW(theirs, max_grad_norm=0.05, **STRONG)
    b = halflife.AdamW(ours, max_grad_norm=0.05, process_group=world(), **STRONG)
    x = torch.randn(8, 6, dtype=torch.float64)
    for _ in range(3):
        for m, optimizer in ((one, a), (net, b)):
            m(x).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        assert_same_norm(a, b)
    with FullyShardedDataParallel.summon_full_params(net):
        whole = dict(zip(dict(one.named_parameters()), (p.detach().clone() for p in net.parameters()), strict=False))
        for name, p in one.named_parameters() if original else ():
            assert_near(whole[name], p)


@case(2)
def fusing_is_refused_inside_of_ddp() -> None:
    ddp = DistributedDataParallel(model())
    for inner in (ddp, ddp.module):
        with pytest.raises(ValueError, match="DistributedDataParallel"):
            halflife.fuse_with_backward(inner, halflife.AdamW(ddp.parameters(), **STRONG))


@case(2)
def a_model_that_is_wrapped_after_it_was_fused_is_refused() -> None:
    net = model()
    halflife.fuse_with_backward(net, halflife.AdamW(net.parameters(), **STRONG))
    ddp = DistributedDataParallel(net)
    with pytest.raises(ValueError, match="DistributedDataParallel"):
        ddp(torch.ones(2, 6, dtype=torch.float64)).sum().backward()


@case(2)
def parameters_that_are_replaced_by_their_shards() -> None:
    """Accelerate makes the optimizer first and shards then: its groups get the new parameters."""
    one, net = model(), model()
    theirs, ours = list(one.parameters()), list(net.parameters())
    a, b = (halflife.AdamW(ps, max_grad_norm=0.5, **STRONG) for ps in (theirs, ours))
    shard(net, "fsdp")
    b.param_groups[0]["params"] = ours = list(net.parameters())
    step_both(a, theirs, b, ours, 3)
    assert_alike(theirs, ours)


@case(2, way=["plain", "clipped"])
def fusing_with_fsdp2(way: str) -> None:
    """A real backward pass steps each shard by itself, as one process steps the whole tensors."""
    one, net = model(), shard(model(), "fsdp")
    a, b = (halflife.AdamW(m.parameters(), **STRONG) for m in (one, net))
    if way == "clipped":
        with pytest.raises(ValueError, match="max_grad_norm"):
            halflife.fuse_with_backward(net, halflife.AdamW(net.parameters(), max_grad_norm=1.0, **STRONG))
    halflife.fuse_with_backward(net, b)
    torch.manual_seed(5)
    for x in torch.randn(3, 4, 6, dtype=torch.float64):
        one(x).square().mean().backward()
        a.step()
        a.zero_grad()
        net(x).square().mean().backward()
        assert all(p.grad is None for p in net.parameters())
        b.step()
    for p, q in zip(one.parameters(), net.parameters(), strict=True):
        assert_near(q, p)
    assert all(b.state[q]["step"] == 3 for q in net.parameters())


@case(2, way=["fsdp", "columns"])
def averages_of_shards_take_the_weights_place(way: str) -> None:
    one, net = model(torch.bfloat16), shard(model(torch.bfloat16), way)
    theirs, ours = list(one.parameters()), list(net.parameters())
    a, b = (halflife.AdamW(ps, ema_decay=0.5, **STRONG) for ps in (theirs, ours))
    step_both(a, theirs, b, ours, 3)
    before = [whole(q).clone() for q in ours]
    with a.averaged(), b.averaged():
        for p, q, w in zip(theirs, ours, before, strict=True):
            assert torch.equal(whole(q), p)
            assert not torch.equal(whole(q), w)
    assert all(torch.equal(whole(q), w) for q, w in zip(ours, before, strict=True))


@case(2, static=[False, True])
def ddp_with_accumulated_gradients(static: bool) -> None:
    """``no_sync`` and ``static_graph`` train as one process with all samples does."""
    one, net = model(), DistributedDataParallel(model(), static_graph=static)
    a, b = (halflife.AdamW(m.parameters(), max_grad_norm=0.5, **STRONG) for m in (one, net))
    torch.manual_seed(5)
    batches = torch.randn(3, 2, 2, 4, 6, dtype=torch.float64)  # steps, accumulated, processes
    for step in batches:
        for rank_batches in step:
            for x in rank_batches:
                (one(x).square().mean() / 2).backward()
        a.step()
        a.zero_grad()
        mine = step[:, torch.distributed.get_rank()]
        if not static:
            with net.no_sync():
                net(mine[0]).square().mean().backward()
        else:
            net(mine[0]).square().mean().backward()
        net(mine[1]).square().mean().backward()
        b.step()
        b.zero_grad()
        assert_same_norm(a, b)
    for p, q in zip(one.parameters(), net.parameters(), strict=True):
        assert_near(q, p)
        assert_copies_agree(q)


def _monitored(params: list[Tensor], optimizer: Any, inner: Any) -> list[dict[str, float]]:
    """What a Monitor of two parameter groups records."""
    found: list[dict[str, float]] = []
    with halflife.Monitor(inner, every=1, to=lambda m: found.append(m.numbers())):
        for t in range(3):
            put_gradients(params, t)
            optimizer.step()
    return found


def _groups(params: list[Tensor]) -> list[dict[str, Any]]:
    return [{"params": params[:3]}, {"params": params[3:], "weight_decay": 0.1}]


def _same_measurements(way: str) -> None:
    one = list(model().parameters())
    settings: dict[str, Any] = {"decay": "cautious", "max_grad_norm": 0.5, **STRONG}
    alone = halflife.AdamW(_groups(one), **settings)
    expected = _monitored(one, alone, alone)
    ours = list((model() if way == "zero" else shard(model(), way)).parameters())
    if way == "zero":
        del settings["decay"]
        optimizer = ZeroRedundancyOptimizer(
            _groups(ours), partial(halflife.AdamW, process_group=world(), decay="cautious"), **settings
        )
        found = _monitored(ours, optimizer, optimizer.optim)
    else:
        optimizer = halflife.AdamW(_groups(ours), **settings)
        found = _monitored(ours, optimizer, optimizer)
    assert len(found) == len(expected) == 6
    for mine, theirs in zip(found, expected, strict=True):
        assert {*mine} == {*theirs}
        for name, x in theirs.items():
            assert abs(mine[name] - x) <= 1e-9 * max(abs(x), 1e-3), (name, mine[name], x)


@case(2, way=["fsdp", "columns", "tp", "zero"])
def a_monitor_sees_all_processes(way: str) -> None:
    _same_measurements(way)


@case(4, way=["hsdp", "2d", "fsdp"])
def a_monitor_sees_all_four(way: str) -> None:
    _same_measurements(way)
