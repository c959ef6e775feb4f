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


_LR: dict[str, Any] = {"lr": 1e-3}
PEERS = (
    Peer("DeepSpeed CPUAdam", "adamw", "deepspeed.ops.adam", "DeepSpeedCPUAdam", {**_LR, "adamw_mode": True}),
    Peer("optimi", "adamw", "optimi", "AdamW", _LR),
    Peer("optimi", "adam", "optimi", "Adam", _LR),
    Peer("optimi", "lion", "optimi", "Lion", {"lr": 1e-4}),
    Peer("optimi", "radam", "optimi", "RAdam", _LR),
    Peer("pytorch_optimizer StableAdamW", "adamw", "pytorch_optimizer", "StableAdamW", _LR),
    Peer("pytorch_optimizer", "lion", "pytorch_optimizer", "Lion", {"lr": 1e-4}),
    Peer("torchao, 8-bit states", "adamw", "torchao.optim", "AdamW8bit", _LR),
    Peer("bitsandbytes, 8-bit states", "adamw", "bitsandbytes.optim", "AdamW8bit", _LR),
    Peer("timm AdamWLegacy", "adamw", "timm.optim", "AdamWLegacy", _LR),
    Peer("timm", "lion", "timm.optim", "Lion", {"lr": 1e-4}),
    Peer("flashoptim", "adamw", "flashoptim", "FlashAdamW", _LR),
    Peer("flashoptim", "lion", "flashoptim", "FlashLion", {"lr": 1e-4}),
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
