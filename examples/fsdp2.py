"""FSDP2: sharded parameters, one clip for all, and a checkpoint that other processes load

Two processes train a sharded network for half of the steps and save; four others load that and end the training.
Torch's AdamW and `clip_grad_norm_` in one process do the same.

What to learn from it: the optimizer is made as ever, from the parameters of the sharded model. `max_grad_norm` clips
by the norm of all gradients on all processes, and checkpoints are torch's own, whatever number of processes loads
them. The result is the plain loop's to rounding. On GPUs write "cuda" and "nccl"; under `torchrun` rank and size are
in its environment. [Many GPUs](../docs/many-gpus.md) says what torchtitan, Lightning and Accelerate want.

    python examples/fsdp2.py            # 20 s
    python examples/fsdp2.py --quick    # a smoke test: one process loads what two saved

It prints:

    processes: 2, steps 0 to 20: a shard is 48 of 96 rows; the gradients' norm is 1.306761 before the last clip
    processes: 4, steps 20 to 40: a shard is 24 of 96 rows; the gradients' norm is 2.180101 before the last clip
    torch's AdamW in one process: the gradients' norm is 2.180101 before the last clip
    training moved the weights by up to 0.368; the two ends differ by 3e-06 at most
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist
from torch import multiprocessing, nn
from torch.distributed import checkpoint
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.functional import cross_entropy

import halflife

STEPS, BATCH, CLIP = 40, 64, 0.1


def network() -> nn.Sequential:
    """The same weights everywhere."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 10))


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples of a step, whoever asks."""
    x = torch.randn(BATCH, 64, generator=torch.Generator().manual_seed(step))
    return x, x[:, :10].argmax(1)


def sharded(rank: int, size: int, folder: Path, first: int, last: int) -> None:
    """One process of so many: load what there is, train from step to step, save."""
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", f"file://{folder}/meet-{size}", rank=rank, world_size=size)
    mesh, model = init_device_mesh("cpu", (size,)), network()
    for layer in [*model[::2], model]:
        fully_shard(layer, mesh=mesh)
    optimizer = halflife.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1, max_grad_norm=CLIP)
    if first:
        load(model, optimizer, folder / str(first))
    for step in range(first, last):
        x, y = (part.chunk(size)[rank] for part in batch(step))
        cross_entropy(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
    states = get_state_dict(model, optimizer)
    checkpoint.save({"model": states[0], "optimizer": states[1]}, checkpoint_id=folder / str(last))
    shard = model[0].weight.to_local()
    if rank == 0:
        print(f"processes: {size}, steps {first} to {last}: a shard is {shard.shape[0]} of 96 rows", end="; ")
        print(f"the gradients' norm is {optimizer.grad_norm:.6f} before the last clip", flush=True)
    dist.destroy_process_group()


def load(model: nn.Module, optimizer: torch.optim.Optimizer, folder: Path) -> None:
    """Read a checkpoint into shards of whatever size these are."""
    own, states = get_state_dict(model, optimizer)
    loaded: dict[str, Any] = {"model": own, "optimizer": states}
    checkpoint.load(loaded, checkpoint_id=folder)
    set_state_dict(model, optimizer, model_state_dict=loaded["model"], optim_state_dict=loaded["optimizer"])


def plain() -> nn.Module:
    """All steps in one process, by torch's own."""
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    for step in range(STEPS):
        x, y = batch(step)
        cross_entropy(model(x), y).backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
    print(f"torch's AdamW in one process: the gradients' norm is {norm:.6f} before the last clip")
    return model


def main() -> None:
    """Two processes, then others; then the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one process loads what two saved")
    others = 1 if parser.parse_args().quick else 4
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        multiprocessing.spawn(sharded, (2, folder, 0, STEPS // 2), nprocs=2)
        multiprocessing.spawn(sharded, (others, folder, STEPS // 2, STEPS), nprocs=others)
        dcp_to_torch_save(folder / str(STEPS), folder / "whole.pt")  # one file, as a plain loop writes it
        found = torch.load(folder / "whole.pt", weights_only=True)["model"]
    expected, start = plain().state_dict(), network().state_dict()
    apart = max((found[name] - p).abs().max().item() for name, p in expected.items())
    moved = max((start[name] - p).abs().max().item() for name, p in expected.items())
    print(f"training moved the weights by up to {moved:.3f}; the two ends differ by {apart:.0e} at most")


if __name__ == "__main__":
    main()
