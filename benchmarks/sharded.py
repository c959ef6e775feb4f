"""Does a step of FSDP2's shards cost what a step of plain tensors does? ``python benchmarks/sharded.py``

Two processes, twelve blocks of a transformer, sharded. In every round all step in turn, after a barrier: torch's AdamW
(foreach) and ours on plain copies of the same shards, then on the DTensors themselves, ours with clipping too. The
table has the median over the rounds and the median ratio of neighbours to torch's foreach on plain shards, and how
many operations a step dispatches.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode

import halflife

Make = Callable[[list[Tensor]], torch.optim.Optimizer]
BASELINE = "torch foreach, plain shards"
LANES: dict[str, tuple[bool, Make]] = {
    BASELINE: (False, lambda ps: torch.optim.AdamW(ps, foreach=True)),
    "halflife, plain shards": (False, halflife.AdamW),
    "torch foreach, DTensors": (True, lambda ps: torch.optim.AdamW(ps, foreach=True)),
    "halflife, DTensors": (True, halflife.AdamW),
    "halflife, DTensors, clipped": (True, lambda ps: halflife.AdamW(ps, max_grad_norm=1.0)),
    "halflife, DTensors, bf16 states": (True, lambda ps: halflife.AdamW(ps, state_dtype=torch.bfloat16)),
}
"""Whether the tensors are DTensors, and whose step."""


class Counted(TorchDispatchMode):
    """How many operations went through the dispatcher."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def block(width: int) -> nn.Sequential:
    """The parameters of a block, in its order."""
    attention = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
    return nn.Sequential(*attention, nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width))


def sharded(width: int, blocks: int, mesh: DeviceMesh) -> list[Tensor]:
    """The shards of all blocks, with gradients."""
    torch.manual_seed(0)
    net = nn.Sequential(*[block(width) for _ in range(blocks)])
    for own in net:
        fully_shard(own, mesh=mesh)
    fully_shard(net, mesh=mesh)
    for p in net.parameters():
        assert isinstance(p, DTensor)
        g = torch.randn_like(p.to_local())
        p.grad = DTensor.from_local(g, mesh, p.placements, shape=p.shape, stride=p.stride())
    return list(net.parameters())


def plain(params: list[Tensor]) -> list[Tensor]:
    """Copies of the shards here, that nobody knows to be any."""
    found = list[Tensor]()
    for p in params:
        assert isinstance(p, DTensor)
        q = nn.Parameter(p.to_local().detach().clone())
        q.grad = torch.randn_like(q)
        found.append(q)
    return found


def run(rank: int, size: int, folder: str, width: int, blocks: int, rounds: int) -> None:
    """One process's part, which the first one tells of."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    store = distributed.FileStore(f"{folder}/store", size)
    distributed.init_process_group("gloo", rank=rank, world_size=size, store=store)
    torch.set_num_threads(1)
    mesh = init_device_mesh("cpu", (size,))
    optimizers = {
        name: make(params if as_dtensors else plain(params))
        for name, (as_dtensors, make) in LANES.items()
        for params in [sharded(width, blocks, mesh)]
    }
    seconds: dict[str, list[float]] = {name: [] for name in LANES}
    for turn in range(rounds + 3):
        for name, optimizer in optimizers.items():
            distributed.barrier()
            begun = perf_counter()
            optimizer.step()
            if turn >= 3:
                seconds[name].append(perf_counter() - begun)
    calls = dict[str, int]()
    for name, optimizer in optimizers.items():
        with Counted() as counted:
            optimizer.step()
        calls[name] = counted.calls
    if rank == 0:
        print(f"{size} processes, {blocks} blocks of width {width}, medians of {rounds} rounds")
        print(f"{'':34} {'ms':>8} {'ratio':>7} {'dispatched':>11}")
        for name, times in seconds.items():
            ratio = median(x / y for x, y in zip(times, seconds[BASELINE], strict=True))
            print(f"{name:34} {1e3 * median(times):8.2f} {ratio:7.2f} {calls[name]:11}")
    distributed.destroy_process_group()


def main() -> None:
    """Each width in a launch of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, nargs="*", default=[64, 192])
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    for width in options.width:
        with TemporaryDirectory() as folder:
            arguments = options.processes, folder, width, options.blocks, options.rounds
            multiprocessing.spawn(run, arguments, nprocs=options.processes)


if __name__ == "__main__":
    main()
