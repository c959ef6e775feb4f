"""torchtitan's own functions for an optimizer's checkpoint, where it is installed: flat, by the parameters' names."""

from __future__ import annotations

import importlib.util
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

import torch
from torch.distributed import checkpoint as dcp

import halflife
from tests.sharded.launch import case
from tests.sharded.models import assert_near, model, put_gradients, shard, whole

from .checkpoints import KINDS, file_of

NAME = "components/optimizer/utils.py"


def theirs() -> Any:
    """That file alone: the package around it asks for GPUs and data sets. None where it is not installed."""
    try:
        path = distribution("torchtitan").locate_file(f"torchtitan/{NAME}")
    except PackageNotFoundError:
        return None
    spec = importlib.util.spec_from_file_location("torchtitan_optimizer_utils", str(path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _through_files(name: str, dtype: torch.dtype, makes: tuple[Any, Any], tolerance: float) -> None:
    utils = theirs()
    if utils is None:
        return
    nets = [shard(model(dtype, seed), "fsdp") for seed in (0, 1)]
    first, then = (
        make(list(net.named_parameters()), lr) for make, net, lr in zip(makes, nets, (0.05, 0.01), strict=True)
    )
    for t in range(3):
        put_gradients(nets[0].parameters(), t)
        first.step()
    dcp.save({"optimizer": utils.get_flat_optim_state_dict(first)}, checkpoint_id=file_of(name))
    utils.init_optim_state(then)
    loaded = {"optimizer": utils.get_flat_optim_state_dict(then)}
    dcp.load(loaded, checkpoint_id=file_of(name))
    utils.load_flat_optim_state_dict(then, loaded["optimizer"])
    with torch.no_grad():
        for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
            q.copy_(p)
    for net, optimizer in zip(nets, (first, then), strict=True):
        for t in range(3, 6):
            put_gradients(net.parameters(), t)
            optimizer.step()
    for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert_near(q, p, tolerance)
        if tolerance == 0:
            assert torch.equal(whole(p), whole(q))


@case(2, kind=KINDS)
def torchtitans_checkpoint(kind: str) -> None:
    dtype, make = KINDS[kind]
    _through_files(f"titan-{kind}", dtype, (make, make), 0.0)


def _torchs(params: Any, lr: float) -> Any:
    return torch.optim.AdamW(params, lr=lr, weight_decay=0.5)


def _ours(params: Any, lr: float) -> Any:
    return halflife.AdamW(params, lr=lr, weight_decay=0.5)


@case(2, to=["us", "torch"])
def torchtitans_checkpoint_between_torch_and_us(to: str) -> None:
    makes = (_torchs, _ours) if to == "us" else (_ours, _torchs)
    _through_files(f"titan-to-{to}", torch.float64, makes, 1e-12)
