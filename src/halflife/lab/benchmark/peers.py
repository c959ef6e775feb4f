"""Other libraries' optimizers, timed where they happen to be installed; none is needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from torch.nn import Parameter

from .contenders import Contender, Running


@dataclass(frozen=True)
class Peer:
    """A class of another library that does what ``entry`` does."""

    label: str
    entry: str
    module: str
    name: str
    settings: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def library(self) -> str:
        return self.module.split(".")[0]


_ADAM: dict[str, Any] = {"lr": 1e-3}
_ADAMW: dict[str, Any] = {"lr": 1e-3, "weight_decay": 1e-2}
_LION: dict[str, Any] = {"lr": 1e-4, "weight_decay": 0.1}
_MOMENTUM: dict[str, Any] = {"lr": 1e-3, "momentum": 0.9}
_ON_CPU: dict[str, Any] = {"quantize": False, "master_weight_bits": None, "fused": False}
"""What flashoptim has for CPUs; its 8-bit states and its kernels need CUDA, and it says so."""
PEERS = (
    Peer("DeepSpeed CPUAdam", "adamw", "deepspeed.ops.adam", "DeepSpeedCPUAdam", {**_ADAMW, "adamw_mode": True}),
    Peer("optimi", "adamw", "optimi", "AdamW", _ADAMW),
    Peer("optimi", "adam", "optimi", "Adam", _ADAM),
    Peer("optimi", "sgd", "optimi", "SGD", {**_MOMENTUM, "torch_init": True}),
    Peer("optimi", "lion", "optimi", "Lion", _LION),
    Peer("optimi", "radam", "optimi", "RAdam", _ADAM),
    Peer("pytorch_optimizer StableAdamW", "adamw", "pytorch_optimizer", "StableAdamW", _ADAMW),
    Peer("pytorch_optimizer", "lion", "pytorch_optimizer", "Lion", _LION),
    Peer("torchao, 8-bit states", "adamw", "torchao.optim", "AdamW8bit", _ADAMW),
    Peer("bitsandbytes", "adamw", "bitsandbytes.optim", "AdamW32bit", _ADAMW),
    Peer("bitsandbytes, 8-bit states", "adamw", "bitsandbytes.optim", "AdamW8bit", _ADAMW),
    Peer("bitsandbytes", "lion", "bitsandbytes.optim", "Lion32bit", _LION),
    Peer("timm AdamWLegacy", "adamw", "timm.optim", "AdamWLegacy", _ADAMW),
    Peer("timm", "lion", "timm.optim", "Lion", _LION),
    Peer("flashoptim, 8-bit states", "adamw", "flashoptim", "FlashAdamW", _ADAMW),
    Peer("flashoptim", "adamw", "flashoptim", "FlashAdamW", {**_ADAMW, **_ON_CPU}),
    Peer("flashoptim", "lion", "flashoptim", "FlashLion", {**_LION, **_ON_CPU}),
)


def peers_of(entry: str) -> list[Contender]:
    """The installed libraries' optimizers that do what this entry does."""
    found = [peer for peer in PEERS if peer.entry == entry and find_spec(peer.library)]
    return [Contender(peer.label, "peer", _build(peer)) for peer in found]


def missing_libraries() -> list[str]:
    """Those that are not installed."""
    return [library for library in dict.fromkeys(peer.library for peer in PEERS) if not find_spec(library)]


def _build(peer: Peer) -> Callable[[list[Parameter]], Running]:
    def build(params: list[Parameter]) -> Running:
        optimizer = getattr(importlib.import_module(peer.module), peer.name)(params, **peer.settings)
        return Running(optimizer, optimizer.step, peer.label)

    return build
