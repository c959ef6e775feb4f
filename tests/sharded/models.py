"""Small models, whole and sharded in every way that is spoken of, and the same gradients written into both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Placement, Replicate, Shard, distribute_tensor

MESHES: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {
    "hsdp": ((2, 2), ("replicate", "shard")),
    "2d": ((2, 2), ("dp", "tp")),
}


def model(dtype: torch.dtype = torch.float64, seed: int = 0) -> nn.Sequential:
    """Rows that are not divided evenly, and fewer of them than there are processes."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(6, 13), nn.Linear(13, 5), nn.LayerNorm(5), nn.Linear(5, 1))
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, dtype=torch.float64))
    return net.to(dtype)


def mesh_of(way: str) -> DeviceMesh:
    size = torch.distributed.get_world_size()
    shape, names = MESHES.get(way, ((size,), ("dp",)))
    return init_device_mesh("cpu", shape, mesh_dim_names=names)


def shard(net: nn.Module, way: str) -> nn.Module:
    """The same model's parameters as DTensors: by FSDP2, on one or two dimensions, or by tensor parallelism."""
    mesh = mesh_of(way)
    if way == "fsdp":
        fully_shard(net, mesh=mesh)
    elif way == "columns":
        _replace(net, mesh, lambda name, p: Shard(p.dim() - 1))
    elif way == "hsdp":
        fully_shard(net, mesh=mesh)
    else:
        _tensor_parallel(net, mesh if way == "tp" else mesh["tp"])
        if way == "2d":
            fully_shard(net, mesh=mesh["dp"])
    return net


def _tensor_parallel(net: nn.Module, mesh: DeviceMesh) -> None:
    """Rows, columns and copies by turns."""
    placements = {"0.weight": Shard(0), "0.bias": Shard(0), "1.weight": Shard(1)}
    _replace(net, mesh, lambda name, _: placements.get(name, Replicate()))


def _replace(net: nn.Module, mesh: DeviceMesh, placement: Callable[[str, Tensor], Placement]) -> None:
    for name, p in list(net.named_parameters()):
        module_name, _, leaf = name.rpartition(".")
        spread = distribute_tensor(p.detach(), mesh, [placement(name, p)])
        net.get_submodule(module_name).register_parameter(leaf, nn.Parameter(spread))


def whole(x: Any) -> Tensor:
    """All of a tensor, wherever it lies."""
    return x.full_tensor().detach() if isinstance(x, DTensor) else x.detach()


def put_gradients(params: Iterable[Tensor], t: int, *, scale: float = 1.0) -> None:
    """The gradients of step t, the same for the same parameters however they lie."""
    generator = torch.Generator().manual_seed(1000 + t)
    for p in params:
        g = torch.randn(p.shape, generator=generator, dtype=torch.float64).mul_(scale).to(p.dtype)
        p.grad = spread_like(p, g)


def step_both(a: Any, theirs: Sequence[Tensor], b: Any, ours: Sequence[Tensor], steps: int = 4) -> None:
    """So many steps of both optimizers by the same gradients; the norms that they saw are the same."""
    for t in range(steps):
        for optimizer, params in ((a, theirs), (b, ours)):
            put_gradients(params, t)
            optimizer.step()
        assert_same_norm(a, getattr(b, "optim", b))


def assert_same_norm(a: Any, b: Any) -> None:
    """Of all gradients, if they were asked for it."""
    assert (a.grad_norm is None) == (b.grad_norm is None)
    assert a.grad_norm is None or abs(a.grad_norm - b.grad_norm) <= 1e-12 * a.grad_norm


def assert_alike(theirs: Sequence[Tensor], ours: Sequence[Tensor]) -> None:
    """The same weights, and the same copies of them everywhere."""
    for p, q in zip(theirs, ours, strict=True):
        assert_near(q, p)
        assert_copies_agree(q)


def spread_like(p: Tensor, x: Tensor) -> Tensor:
    """A tensor that every process has whole, laid out as the parameter is."""
    if not isinstance(p, DTensor):
        return x
    alone = DTensor.from_local(x, p.device_mesh, [Replicate()] * p.device_mesh.ndim)
    return alone.redistribute(placements=cast("Any", p).placements)


def assert_near(a: Any, b: Any, tolerance: float = 1e-12) -> None:
    """Within so much of the largest."""
    a, b = whole(a), whole(b)
    assert a.shape == b.shape, (a.shape, b.shape)
    off, most = float((a - b).abs().max()) if a.numel() else 0.0, float(b.abs().max()) if b.numel() else 0.0
    assert off <= tolerance * max(most, 1e-300), f"off by {off:.3g} of {most:.3g}"


def assert_copies_agree(p: Tensor) -> None:
    """Processes with the same shard have the same bits of it."""
    if not isinstance(p, DTensor):
        copies = [torch.empty_like(p) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(copies, p.detach().contiguous())
        assert all(torch.equal(copies[0], x) for x in copies)
        return
    for dim, placement in enumerate(p.placements):
        if placement.is_replicate():
            local = p.to_local().detach().contiguous()
            copies = [torch.empty_like(local) for _ in range(p.device_mesh.size(dim))]
            torch.distributed.all_gather(copies, local, group=p.device_mesh.get_group(dim))
            assert all(torch.equal(copies[0], x) for x in copies)
