"""Checkpoints of shards: what is loaded goes on as if nothing had been, over as many processes as there are then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed import checkpoint as dcp
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

import halflife
from halflife import regularizers as rz
from halflife.schedules import LinearWD
from tests.sharded import launch
from tests.sharded.launch import case
from tests.sharded.models import assert_near, model, put_gradients, shard, whole

INEXACT = {"8-bit states": 0.05, "clipped": 1e-12, "GroupLasso": 1e-12}
"""How near what other processes go on with is: blocks of codes are others, and norms are summed in another order."""
WAYS = ("sharded", "full", "flattened")
Make = Callable[[list[Tensor], float], Any]


def with_blocks(params: list[Any]) -> list[dict[str, Any]]:
    """The matrices by rows, but for the last, which is by columns: its blocks are cut; the rest without decay."""
    dims = [(p[1] if isinstance(p, tuple) else p).dim() for p in params]
    *rows, columns = (p for p, dim in zip(params, dims, strict=True) if dim == 2)
    rest = [p for p, dim in zip(params, dims, strict=True) if dim != 2]
    return [
        {"params": rows, "regularizer": rz.GroupLasso(dim=1)},
        {"params": [columns], "regularizer": rz.GroupLasso(dim=0)},
        {"params": rest, "weight_decay": 0.0},
    ]


KINDS: dict[str, tuple[torch.dtype, Make]] = {
    "AdamW": (torch.float64, lambda ps, lr: halflife.AdamW(ps, lr=lr, weight_decay=0.5)),
    "SGD": (torch.float64, lambda ps, lr: halflife.SGD(ps, lr=lr, momentum=0.9, weight_decay=0.5)),
    "clipped": (torch.float64, lambda ps, lr: halflife.AdamW(ps, lr=lr, weight_decay=0.5, max_grad_norm=0.5)),
    "average and kahan": (
        torch.bfloat16,
        lambda ps, lr: halflife.AdamW(ps, lr=lr, weight_decay=0.5, rounding="kahan", ema_decay=0.5),
    ),
    "TowardInit": (
        torch.float64,
        lambda ps, lr: halflife.AdamW(ps, lr=lr, weight_decay=0.5, regularizer=rz.TowardInit()),
    ),
    "Sum": (
        torch.float64,
        lambda ps, lr: halflife.AdamW(
            ps, lr=lr, weight_decay=0.05, decay="proximal", regularizer=rz.Sum(rz.L2(), rz.L1())
        ),
    ),
    "GroupLasso": (
        torch.float64,
        lambda ps, lr: halflife.AdamW(with_blocks(ps), lr=lr, weight_decay=0.05, decay="proximal"),
    ),
    "independent": (
        torch.float64,
        lambda ps, lr: halflife.AdamW(ps, lr=lr, weight_decay=0.05, decay="independent"),
    ),
    "HalfLife": (
        torch.float64,
        lambda ps, lr: halflife.AdamW(ps, lr=lr, weight_decay=halflife.HalfLife(steps=20)),
    ),
    "bf16 states": (
        torch.float32,
        lambda ps, lr: halflife.AdamW(ps, lr=lr, weight_decay=0.5, state_dtype=torch.bfloat16),
    ),
    "8-bit states": (torch.float32, lambda ps, lr: halflife.AdamW(ps, lr=lr, weight_decay=0.5, state_dtype="8bit")),
    "stochastic rounding": (
        torch.bfloat16,
        lambda ps, lr: halflife.AdamW(ps, lr=lr, weight_decay=0.5, rounding="stochastic"),
    ),
}


def options(way: str) -> StateDictOptions:
    return StateDictOptions(full_state_dict=way == "full", flatten_optimizer_state_dict=way == "flattened")


def taken(net: nn.Module, optimizer: Any, way: str) -> dict[str, Any]:
    """What is saved, and the form that what is loaded is to have."""
    kept = options(way)
    return {
        "model": get_model_state_dict(net, options=kept),
        "optimizer": get_optimizer_state_dict(net, optimizer, options=kept),
    }


def put(net: nn.Module, optimizer: Any, state: dict[str, Any], way: str) -> None:
    set_model_state_dict(net, state["model"], options=options(way))
    set_optimizer_state_dict(net, optimizer, state["optimizer"], options=options(way))


def file_of(name: str) -> Path:
    return launch.FOLDER / name.replace(" ", "-").replace(",", "")


def saved_and_loaded(
    name: str, way: str, first: tuple[nn.Module, Any], then: tuple[nn.Module, Any], groups: tuple[Any, Any]
) -> None:
    """Through files: a whole state by one process's ``torch.save``, any other by DCP."""
    place = file_of(name)
    state = taken(*first, way)
    if way == "full":
        if torch.distributed.get_rank() == 0:
            torch.save(state, place)
        torch.distributed.barrier()
        put(*then, torch.load(place, weights_only=True), way)
        return
    if groups[0] is not None:
        dcp.save(state, checkpoint_id=place, process_group=groups[0])
    torch.distributed.barrier()
    template = taken(*then, way)
    dcp.load(template, checkpoint_id=place, process_group=groups[1])
    put(*then, template, way)


def trained(net: nn.Module, optimizer: Any, steps: range) -> None:
    for t in steps:
        put_gradients(net.parameters(), t)
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] *= 0.9  # as a scheduler does, so that α is another number than lr


def _bit_for_bit(kind: str, way: str, cut: str) -> None:
    """Into shards that are cut in the same way."""
    dtype, make = KINDS[kind]
    nets = [shard(model(dtype, seed), cut) for seed in (0, 1)]
    first, then = (make(list(net.parameters()), lr) for net, lr in zip(nets, (0.05, 0.01), strict=True))
    trained(nets[0], first, range(3))
    world = torch.distributed.group.WORLD
    saved_and_loaded(f"{cut}-{kind}-{way}", way, (nets[0], first), (nets[1], then), (world, world))
    for net, optimizer in zip(nets, (first, then), strict=True):
        trained(net, optimizer, range(3, 6))
    for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(whole(p), whole(q))
        for key, x in first.state[p].items():
            assert torch.equal(whole(x), whole(then.state[q][key])), key


@case(2, kind=KINDS, way=WAYS)
def two_to_two_bit_for_bit(kind: str, way: str) -> None:
    _bit_for_bit(kind, way, "fsdp")


@case(4, kind=KINDS, way=WAYS, cut=("hsdp", "tp"))
def other_meshes_bit_for_bit(kind: str, way: str, cut: str) -> None:
    _bit_for_bit(kind, way, cut)


@case(4, kind=KINDS, way=("sharded", "flattened"))
def two_dimensions_bit_for_bit(kind: str, way: str) -> None:
    """Not from a whole state: torch 2.13 cannot spread a whole model's over two dimensions of one axis."""
    _bit_for_bit(kind, way, "2d")


def _over(mesh: Any, dtype: torch.dtype, seed: int) -> nn.Module:
    net = model(dtype, seed)
    fully_shard(net, mesh=mesh)
    return net


def _resharded(kind: str, way: str, widths: tuple[int, int]) -> None:
    """From one number of processes to another; of four, each pair has a model of its own."""
    dtype, make = KINDS[kind]
    pairs = init_device_mesh("cpu", (2, 2), mesh_dim_names=("pair", "inner"))
    meshes = {4: init_device_mesh("cpu", (4,)), 2: pairs["inner"]}
    nets = [_over(meshes[width], dtype, seed) for width, seed in zip(widths, (0, 1), strict=True)]
    first, then = (make(list(net.parameters()), lr) for net, lr in zip(nets, (0.05, 0.01), strict=True))
    trained(nets[0], first, range(3))
    writes = widths[0] == 4 or torch.distributed.get_rank() < 2
    groups = (meshes[widths[0]].get_group() if writes else None, meshes[widths[1]].get_group())
    saved_and_loaded(f"{widths[0]}-{widths[1]}-{kind}-{way}", way, (nets[0], first), (nets[1], then), groups)
    for net, optimizer in zip(nets, (first, then), strict=True):
        trained(net, optimizer, range(3, 6))
    for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        if kind in INEXACT:
            assert_near(q, p, INEXACT[kind])
        else:
            assert torch.equal(whole(p), whole(q))


@case(4, kind=KINDS, way=WAYS)
def two_to_four(kind: str, way: str) -> None:
    _resharded(kind, way, (2, 4))


@case(4, kind=KINDS, way=WAYS)
def four_to_two(kind: str, way: str) -> None:
    _resharded(kind, way, (4, 2))


@case(2, kind=KINDS)
def two_to_one(kind: str) -> None:
    """Into a model that is not sharded, by a whole state; and from there back."""
    dtype, make = KINDS[kind]
    net, one, back = shard(model(dtype), "fsdp"), model(dtype, 1), shard(model(dtype, 2), "fsdp")
    first, then, last = (make(list(m.parameters()), lr) for m, lr in ((net, 0.05), (one, 0.01), (back, 0.02)))
    trained(net, first, range(3))
    put(one, then, taken(net, first, "full"), "full")
    put(back, last, taken(one, then, "full"), "full")
    for m, optimizer in ((net, first), (one, then), (back, last)):
        trained(m, optimizer, range(3, 6))
    for p, q, r in zip(net.parameters(), one.parameters(), back.parameters(), strict=True):
        for x in (q, r):
            assert_near(x, p, INEXACT.get(kind, 1e-12))


TORCHS: dict[str, tuple[Any, Any]] = {
    "AdamW": (torch.optim.AdamW, halflife.AdamW),
    "Adam": (torch.optim.Adam, halflife.Adam),
    "SGD": (torch.optim.SGD, halflife.SGD),
}


@case(2, name=TORCHS, way=WAYS, to=("to us", "to torch"))
def between_torch_and_us(name: str, way: str, to: str) -> None:
    classes = TORCHS[name] if to == "to us" else TORCHS[name][::-1]
    more = {"momentum": 0.9} if name == "SGD" else {}
    nets = [shard(model(seed=seed), "fsdp") for seed in (0, 1)]
    first, then = (
        of(net.parameters(), lr=lr, weight_decay=0.5, **more)
        for of, net, lr in zip(classes, nets, (0.05, 0.01), strict=True)
    )
    trained(nets[0], first, range(3))
    saved_and_loaded(
        f"torch-{name}-{way}-{to}", way, (nets[0], first), (nets[1], then), (torch.distributed.group.WORLD,) * 2
    )
    for net, optimizer in zip(nets, (first, then), strict=True):
        trained(net, optimizer, range(3, 6))
    for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert_near(q, p)


@case(2, way=WAYS)
def settings_that_a_group_has_come_back(way: str) -> None:
    """A schedule's λ, a treatment given as an object, a regularizer, settings of one group alone."""
    nets = [shard(model(seed=seed), "fsdp") for seed in (0, 1)]
    groups = []
    for net in nets:
        params = list(net.parameters())
        groups.append([{"params": params[:2], "regularizer": rz.L1(), "decay": "proximal"}, {"params": params[2:]}])
    schedules = [LinearWD(0.3, 0.1, 5) for _ in nets]
    first, then = (
        halflife.AdamW(own, lr=lr, weight_decay=schedule, decay=halflife.Decay("implicit", "lr"), max_grad_norm=2.0)
        for own, lr, schedule in zip(groups, (0.05, 0.01), schedules, strict=True)
    )
    trained(nets[0], first, range(1))
    schedules[0].step()
    saved_and_loaded(f"settings-{way}", way, (nets[0], first), (nets[1], then), (torch.distributed.group.WORLD,) * 2)
    schedules[1].load_state_dict(schedules[0].state_dict())
    for a, b in zip(first.param_groups, then.param_groups, strict=True):
        assert a.keys() == b.keys()
        views = first.view(a), then.view(b)
        assert len({(view.lr, view.lam, view.decay, view.regularizer, view.base_lr) for view in views}) == 1
    assert first.param_groups[0]["weight_decay"] == schedules[0].value


@case(2)
def saved_while_the_training_goes_on() -> None:
    """``async_save`` keeps what was there when it was called."""
    nets = [shard(model(seed=seed), "fsdp") for seed in (0, 1)]
    first, then = (halflife.AdamW(net.parameters(), lr=0.05, weight_decay=0.5) for net in nets)
    trained(nets[0], first, range(3))
    before = [whole(p).clone() for p in nets[0].parameters()]
    states = [whole(first.state[p]["exp_avg"]).clone() for p in nets[0].parameters()]
    future = dcp.async_save(taken(nets[0], first, "sharded"), checkpoint_id=file_of("async"))
    trained(nets[0], first, range(3, 6))
    future.result()  # type: ignore[union-attr]
    template = taken(nets[1], then, "sharded")
    dcp.load(template, checkpoint_id=file_of("async"))
    put(nets[1], then, template, "sharded")
    for q, w, s in zip(nets[1].parameters(), before, states, strict=True):
        assert torch.equal(whole(q), w)
        assert torch.equal(whole(then.state[q]["exp_avg"]), s)


@case(2)
def a_plain_state_dict_through_a_file() -> None:
    """``torch.save(optimizer.state_dict())`` on each process, as far as DTensors go that way."""
    nets = [shard(model(seed=seed), "fsdp") for seed in (0, 1)]
    first, then = (
        halflife.AdamW(net.parameters(), lr=lr, weight_decay=0.5) for net, lr in zip(nets, (0.05, 0.01), strict=True)
    )
    trained(nets[0], first, range(3))
    then.load_state_dict(first.state_dict())
    for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        for key, x in first.state[p].items():
            y = then.state[q][key]
            assert torch.equal(whole(x), whole(y))
            assert whole(y).data_ptr() != whole(x).data_ptr()
