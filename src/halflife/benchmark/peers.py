"""Other libraries' optimizers, timed where they happen to be installed; none is needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from torch.nn import Parameter

from .contenders import Contender, Running
from .devices import Kind


@dataclass(frozen=True)
class Peer:
    """A class of another library that does what ``entry`` does, on these kinds of devices."""

    label: str
    entry: str
    module: str
    name: str
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    kinds: tuple[Kind, ...] = ("cpu", "cuda")

    @property
    def library(self) -> str:
        return self.module.split(".")[0]


_ADAM: dict[str, Any] = {"lr": 1e-3}
_ADAMW: dict[str, Any] = {"lr": 1e-3, "weight_decay": 1e-2}
_LION: dict[str, Any] = {"lr": 1e-4, "weight_decay": 0.1}
_MOMENTUM: dict[str, Any] = {"lr": 1e-3, "momentum": 0.9}
_PLAIN: dict[str, Any] = {"quantize": False, "master_weight_bits": None}
_ON_CPU: dict[str, Any] = {**_PLAIN, "fused": False}
"""What flashoptim has for CPUs; its 8-bit states and its kernels need CUDA, and it says so."""
_FOREACH: dict[str, Any] = {"foreach": True, "triton": False}
_TRITON: dict[str, Any] = {"triton": True}
_CPU: tuple[Kind, ...] = ("cpu",)
_CUDA: tuple[Kind, ...] = ("cuda",)
_OPTIMI: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("adamw", "AdamW", _ADAMW),
    ("adam", "Adam", _ADAM),
    ("sgd", "SGD", {**_MOMENTUM, "torch_init": True}),
    ("lion", "Lion", _LION),
    ("radam", "RAdam", _ADAM),
)
PEERS = (
    Peer("DeepSpeed CPUAdam", "adamw", "deepspeed.ops.adam", "DeepSpeedCPUAdam", {**_ADAMW, "adamw_mode": True}, _CPU),
    *(Peer("optimi", entry, "optimi", name, given, _CPU) for entry, name, given in _OPTIMI),
    *(Peer("optimi foreach", entry, "optimi", name, {**given, **_FOREACH}, _CUDA) for entry, name, given in _OPTIMI),
    *(Peer("optimi Triton", entry, "optimi", name, {**given, **_TRITON}, _CUDA) for entry, name, given in _OPTIMI),
    Peer("pytorch_optimizer StableAdamW", "adamw", "pytorch_optimizer", "StableAdamW", _ADAMW),
    Peer("pytorch_optimizer", "lion", "pytorch_optimizer", "Lion", _LION),
    Peer("torchao, 8-bit states", "adamw", "torchao.optim", "AdamW8bit", _ADAMW),
    Peer("bitsandbytes", "adamw", "bitsandbytes.optim", "AdamW32bit", _ADAMW),
    Peer("bitsandbytes, 8-bit states", "adamw", "bitsandbytes.optim", "AdamW8bit", _ADAMW),
    Peer("bitsandbytes", "lion", "bitsandbytes.optim", "Lion32bit", _LION),
    Peer("timm AdamWLegacy", "adamw", "timm.optim", "AdamWLegacy", _ADAMW),
    Peer("timm", "lion", "timm.optim", "Lion", _LION),
    Peer("flashoptim, 8-bit states", "adamw", "flashoptim", "FlashAdamW", _ADAMW),
    Peer("flashoptim", "adamw", "flashoptim", "FlashAdamW", {**_ADAMW, **_ON_CPU}, _CPU),
    Peer("flashoptim", "lion", "flashoptim", "FlashLion", {**_LION, **_ON_CPU}, _CPU),
    Peer("flashoptim", "adamw", "flashoptim", "FlashAdamW", {**_ADAMW, **_PLAIN}, _CUDA),
    Peer("flashoptim", "lion", "flashoptim", "FlashLion", {**_LION, **_PLAIN}, _CUDA),
)


def peers_of(entry: str, kind: Kind = "cpu") -> list[Contender]:
    """The installed libraries' optimizers that do what this entry does, on that kind of device."""
    found = [peer for peer in _on(kind) if peer.entry == entry and find_spec(peer.library)]
    return [Contender(peer.label, "peer", _build(peer)) for peer in found]


def missing_libraries(kind: Kind = "cpu") -> list[str]:
    """Those that are not installed."""
    return [library for library in dict.fromkeys(peer.library for peer in _on(kind)) if not find_spec(library)]


def _on(kind: Kind) -> list[Peer]:
    return [peer for peer in PEERS if kind in peer.kinds]


def _build(peer: Peer) -> Callable[[list[Parameter]], Running]:
    def build(params: list[Parameter]) -> Running:
        optimizer = getattr(importlib.import_module(peer.module), peer.name)(params, **peer.settings)
        return Running(optimizer, optimizer.step, peer.label)

    return build
