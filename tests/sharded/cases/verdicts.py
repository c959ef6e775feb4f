"""One verdict for all processes: clipping, gradients that are not finite, a gradient scaler."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

import halflife
from tests.sharded.launch import case
from tests.sharded.models import (
    assert_alike,
    assert_copies_agree,
    assert_near,
    assert_same_norm,
    mesh_of,
    model,
    put_gradients,
    shard,
    spread_like,
    step_both,
    whole,
)

STRONG: dict[str, Any] = {"lr": 0.05, "weight_decay": 0.5}


def rank() -> int:
    return torch.distributed.get_rank()


def poison(p: Tensor, value: float = float("nan")) -> None:
    """One number of the gradient, on the process that has the last shard of it."""
    assert p.grad is not None
    local = p.grad.to_local() if isinstance(p.grad, DTensor) else p.grad
    if local.numel() and rank() == torch.distributed.get_world_size() - 1:
        local.view(-1)[-1] = value


def _skips_alike(way: str, value: float, **settings: Any) -> None:
    net = shard(model(), way)
    params = list(net.parameters())
    optimizer = halflife.AdamW(params, skip_nonfinite=True, **STRONG, **settings)
    put_gradients(params, 0)
    optimizer.step()
    before = [whole(p).clone() for p in params]
    put_gradients(params, 1)
    poison(params[0], value)
    optimizer.step()
    assert optimizer.skipped_steps == 1
    assert all(torch.equal(whole(p), w) for p, w in zip(params, before, strict=True))
    put_gradients(params, 2)
    optimizer.step()
    assert optimizer.skipped_steps == 1
    for p, w in zip(params, before, strict=True):
        assert not torch.equal(whole(p), w)
        assert_copies_agree(p)


@case(2, way=["fsdp", "columns", "tp"])
def a_nan_on_one_process(way: str) -> None:
    _skips_alike(way, float("nan"))


@case(4, way=["hsdp", "2d", "fsdp"])
def a_nan_on_one_of_four(way: str) -> None:
    _skips_alike(way, float("nan"))


@case(2)
def an_infinity_on_one_process_and_clipping() -> None:
    _skips_alike("fsdp", float("inf"), max_grad_norm=1.0)


@case(2)
def a_nan_under_clipping_alone_reaches_all() -> None:
    """As ``clip_grad_norm_`` and a step do in one process: all weights are NaN, on every process."""
    net = shard(model(), "fsdp")
    params = list(net.parameters())
    optimizer = halflife.AdamW(params, max_grad_norm=1.0, **STRONG)
    put_gradients(params, 0)
    poison(params[0])
    optimizer.step()
    assert all(bool(whole(p).isnan().all()) for p in params)


@case(2, 4)
def plain_tensors_beside_dtensors() -> None:
    """What lies on every process whole counts once, by the same factor everywhere."""
    torch.manual_seed(3)
    values = [torch.randn(5, 3, dtype=torch.float64), torch.randn(7, dtype=torch.float64)]
    mesh = mesh_of("fsdp")
    ours = [nn.Parameter(distribute_tensor(values[0], mesh, [Shard(0)])), nn.Parameter(values[1].clone())]
    theirs = [nn.Parameter(x.clone()) for x in values]
    a, b = (halflife.AdamW(ps, max_grad_norm=0.5, **STRONG) for ps in (theirs, ours))
    step_both(a, theirs, b, ours, 3)
    assert_alike(theirs, ours)


@case(4)
def a_mesh_and_a_part_of_it() -> None:
    """Tensor parallelism for one parameter alone: the other lies on the data-parallel mesh, copied along the rest."""
    mesh = mesh_of("2d")
    torch.manual_seed(3)
    values = [torch.randn(6, 4, dtype=torch.float64), torch.randn(7, dtype=torch.float64)]
    ours = [
        nn.Parameter(distribute_tensor(values[0], mesh, [Shard(0), Shard(1)])),
        nn.Parameter(distribute_tensor(values[1], mesh["dp"], [Shard(0)])),
    ]
    theirs = [nn.Parameter(x.clone()) for x in values]
    a, b = (halflife.AdamW(ps, max_grad_norm=0.5, **STRONG) for ps in (theirs, ours))
    step_both(a, theirs, b, ours, 3)
    assert_alike(theirs, ours)


@case(4)
def meshes_beside_each_other_are_refused() -> None:
    mesh = mesh_of("2d")
    x = torch.ones(4, 4, dtype=torch.float64)
    ours = [nn.Parameter(distribute_tensor(x, mesh[name], [Shard(0)])) for name in ("dp", "tp")]
    for group in (None, torch.distributed.group.WORLD):
        optimizer = halflife.AdamW(ours, max_grad_norm=0.5, process_group=group, **STRONG)
        put_gradients(ours, 0)
        with pytest.raises(ValueError, match="lay them out over one mesh"):
            optimizer.step()


@case(4)
def stages_of_a_pipeline_clip_by_the_norm_of_all() -> None:
    """Each pair of processes has parameters of its own, and the group has them all."""
    pairs = mesh_of("2d")
    stage = pairs.get_local_rank("dp")
    torch.manual_seed(3)
    values = [torch.randn(6, 4, dtype=torch.float64), torch.randn(7, dtype=torch.float64)]
    theirs = [nn.Parameter(x.clone()) for x in values]
    ours = [nn.Parameter(distribute_tensor(values[stage], pairs["tp"], [Shard(0)]))]
    a = halflife.AdamW(theirs, max_grad_norm=0.5, **STRONG)
    b = halflife.AdamW(ours, max_grad_norm=0.5, process_group=torch.distributed.group.WORLD, **STRONG)
    for t in range(3):
        put_gradients(theirs, t)
        g = theirs[stage].grad
        assert g is not None
        ours[0].grad = spread_like(ours[0], g)
        a.step()
        b.step()
        assert_same_norm(a, b)
    assert_near(ours[0], theirs[stage])
    short = halflife.AdamW(ours, max_grad_norm=0.5, process_group=pairs.get_group("dp"), **STRONG)
    ours[0].grad = spread_like(ours[0], torch.ones_like(whole(ours[0])))
    with pytest.raises(ValueError, match="has not all processes"):
        short.step()


@case(2, clip=[None, 0.5])
def a_gradient_scaler(clip: float | None) -> None:
    """Its verdict is the same on every process, and its scale stays so."""
    net = shard(model(torch.float32), "fsdp")
    params = list(net.parameters())
    optimizer = halflife.AdamW(params, max_grad_norm=clip, **STRONG)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(torch.zeros(()))
    for t, bad in enumerate((False, True, False)):
        before = [whole(p).clone() for p in params]
        put_gradients(params, t, scale=8.0)
        if bad:
            poison(params[0], float("inf"))
        scaler.step(optimizer)
        scaler.update()
        moved = [not torch.equal(whole(p), w) for p, w in zip(params, before, strict=True)]
        assert moved == [not bad] * len(params), (t, moved)
    scales = [torch.zeros(()) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(scales, torch.tensor(scaler.get_scale()))
    assert {float(s) for s in scales} == {4.0}


@case(2)
def a_parameter_without_a_gradient_on_any_process() -> None:
    net, one = shard(model(), "fsdp"), model()
    ours, theirs = list(net.parameters()), list(one.parameters())
    a, b = (halflife.AdamW(ps, max_grad_norm=0.5, **STRONG) for ps in (theirs, ours))
    for t in range(3):
        put_gradients(theirs, t)
        put_gradients(ours, t)
        theirs[t].grad = ours[t].grad = None
        a.step()
        b.step()
    assert_alike(theirs, ours)


@case(2)
def a_first_step_at_lr_0_with_a_shard_of_zeros() -> None:
    """A decay that leaves the learning rate out moves all shards or none, whatever this one's gradients are."""
    mesh = mesh_of("fsdp")
    x = torch.ones(4, 3, dtype=torch.float64)
    p = nn.Parameter(distribute_tensor(x, mesh, [Shard(0)]))
    optimizer = halflife.AdamW([p], lr=0.0, base_lr=0.1, weight_decay=0.1, decay=halflife.Decay("explicit", "one"))
    p.grad = distribute_tensor(
        torch.tensor([[1.0], [1.0], [0.0], [0.0]], dtype=torch.float64).expand(4, 3), mesh, [Shard(0)]
    )
    optimizer.step()
    assert_near(p, 0.9 * x)


@case(2)
def replicated_gradients_and_sums_are_laid_out_first() -> None:
    """A gradient that lies otherwise than its parameter, as tensor parallelism by hand leaves it."""
    from torch.distributed.tensor import Partial

    mesh = mesh_of("fsdp")
    x, g = torch.ones(4, 3, dtype=torch.float64), torch.arange(12.0, dtype=torch.float64).view(4, 3)
    one = nn.Parameter(x.clone())
    one.grad = g
    halflife.SGD([one], **STRONG).step()
    for there in (
        DTensor.from_local(g, mesh, [Replicate()]),
        DTensor.from_local(g / 2, mesh, [Partial()]),
    ):
        p = nn.Parameter(distribute_tensor(x, mesh, [Shard(0)]))
        p.grad = there
        halflife.SGD([p], **STRONG).step()
        assert_near(p, one)
