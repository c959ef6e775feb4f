"""Who is timed: each optimizer of ours, torch's implementations of the same rule, and other libraries' if installed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_

import halflife

from ..catalogue import Catalogue, rule_of
from ..rules import Rule
from .devices import Kind

Role = Literal["ours", "ours, other states", "ours, other engine", "fused", "foreach", "loop", "compiled", "peer"]
MAX_NORM, EMA_DECAY = 1.0, 0.999


class Running(NamedTuple):
    """A contender at work; ``beside`` are the bytes it must move that are no weight, gradient or state."""

    optimizer: Any
    step: Callable[[], object]
    label: str
    beside: int = 0


@dataclass(frozen=True)
class Contender:
    """Someone who can step the parameters; ``state_bytes`` is what it is expected to keep of each, in bytes."""

    label: str
    role: Role
    build: Callable[[list[Parameter]], Running]
    state_bytes: float = 8.0


@dataclass(frozen=True)
class Entry:
    """One optimizer: our class, and torch's class to compare it with; None if there is nothing like it.

    ``nearest`` names torch's rule where torch does not have ours, and is empty where it does.
    """

    name: str
    label: str
    ours: type[halflife.Optimizer]
    torch_class: type[torch.optim.Optimizer] | None
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    torch_settings: dict[str, Any] = field(default_factory=dict[str, Any])
    nearest: str = ""
    clip_and_average: bool = False

    @cached_property
    def rule(self) -> Rule:
        """Ours, under these settings."""
        return rule_of(self.ours, **self.settings)

    def obstacle(self, p: Tensor) -> str:
        """Why the rule does not take a parameter, in its own words; empty if it does."""
        try:
            self.rule.check(p)
        except (ValueError, RuntimeError) as error:
            return str(error)
        return ""


_MOMENTUM: dict[str, Any] = {"lr": 1e-3, "momentum": 0.9}
_RIDGE: dict[str, Any] = {"lr": 1e-3, "weight_decay": 1e-2}
_O = torch.optim


def entry_of(name: str, optimizer: type[halflife.Optimizer]) -> Entry:
    """A class as it comes, beside torch's class of the same name if it derives from that."""
    label = optimizer.__name__
    torchs = getattr(_O, label, None)
    return Entry(name, label, optimizer, torchs if torchs in optimizer.__mro__ else None)


ENTRIES = Catalogue(
    {
        entry.name: entry
        for entry in (
            Entry("adamw", "AdamW", halflife.AdamW, _O.AdamW),
            Entry("adamw-clip-ema", "clip + AdamW + EMA", halflife.AdamW, _O.AdamW, clip_and_average=True),
            Entry("sgd", "SGD, momentum", halflife.SGD, _O.SGD, _MOMENTUM, _MOMENTUM),
            Entry("lion", "Lion", halflife.Lion, _O.SGD, {}, _MOMENTUM, "SGD with momentum"),
            Entry("adam-l2", "AdamL2", halflife.AdamL2, _O.Adam, {}, _RIDGE),
            Entry("prox-adam", "ProxAdam", halflife.ProxAdam, _O.AdamW, {}, {}, "AdamW"),
            Entry("adam-p", "AdamP", halflife.AdamP, _O.AdamW, {}, {}, "AdamW"),
            Entry("sgdw", "SGDW", halflife.SGDW, _O.SGD, {}, {**_MOMENTUM, **_RIDGE}, "SGD with momentum and L2"),
            Entry("prox-sgd", "ProxSGD", halflife.ProxSGD, _O.SGD, {}, _RIDGE, "SGD with L2"),
        )
    },
    entry_of,
)
"""By name: every optimizer there is, and AdamW with all that people write around it."""
FUSED: dict[Kind, tuple[type[torch.optim.Optimizer], ...]] = {
    "cpu": (_O.SGD, _O.Adagrad, _O.Adam, _O.AdamW),
    "cuda": (_O.SGD, _O.Adam, _O.AdamW),
}
"""What torch has one kernel for."""


def usual_optimizers(kind: Kind) -> tuple[str, ...]:
    """What is timed where nobody asks for anything else: all, but on a CPU those that multiply matrices.

    One step of Muon on 3 × 4096² is 6·10¹² operations.
    """
    return tuple(name for name, entry in ENTRIES.items() if kind != "cpu" or entry.rule.acts_on != "matrices")


def contenders_of(entry: Entry, compiled: bool = False, kind: Kind = "cpu") -> list[Contender]:
    """Ours and torch's on that kind of device; other libraries' are in ``peers``."""
    return [*_ours(entry, kind), *_torchs(entry, compiled, kind)]


def _ours(entry: Entry, kind: Kind) -> list[Contender]:
    """On a GPU by generated kernels where they can be had, which the label says, and by foreach too."""
    engine: dict[str, Any] = {"engine": "cuda"} if kind == "cuda" else {}
    if entry.clip_and_average:
        more = {"max_grad_norm": MAX_NORM, "ema_decay": EMA_DECAY, **engine}
        return [Contender("halflife", "ours", _halflife(entry, "", more, clips=True), 12.0)]
    found = [Contender("halflife", "ours", _halflife(entry, "", engine))]
    if kind == "cuda" and entry.rule.acts_on != "matrices":  # which no generated kernel steps
        foreach = _halflife(entry, "", {"engine": "foreach"})
        found.append(Contender("halflife (foreach)", "ours, other engine", foreach))
    if entry.name == "adamw":
        other: Role = "ours, other states"
        formats = (("bf16 states", torch.bfloat16, 4.0), ("8-bit states", "8bit", 2.1))
        for words, dtype, size in formats:
            build = _halflife(entry, f", {words}", {"state_dtype": dtype, **engine})
            found.append(Contender(f"halflife, {words}", other, build, size))
    return found


def _halflife(entry: Entry, words: str, more: dict[str, Any], clips: bool = False) -> Callable[..., Running]:
    def build(params: list[Parameter]) -> Running:
        optimizer = entry.ours(params, **entry.settings, **more)
        label = f"halflife ({optimizer.engines()[0].name}){words}"
        return Running(optimizer, optimizer.step, label, bytes_of(gradients(params)) if clips else 0)

    return build


def _torchs(entry: Entry, compiled: bool, kind: Kind) -> list[Contender]:
    torch_class = entry.torch_class
    if torch_class is None:
        return []
    wrap = _clipped_and_averaged if entry.clip_and_average else _plain
    flags = _flags(entry, torch_class, compiled, kind)
    label = f", {entry.nearest}" if entry.nearest else ""
    state = 12.0 if entry.clip_and_average else 8.0
    return [
        Contender(
            f"{words}{label}",
            role,
            wrap(torch_class, f"{words}{label}", {**entry.torch_settings, **flag}, role),
            state,
        )
        for words, role, flag in flags
    ]


def _flags(
    entry: Entry, torch_class: type[torch.optim.Optimizer], compiled: bool, kind: Kind
) -> list[tuple[str, Role, dict[str, bool]]]:
    """torch's implementations by label, with the flags that choose them; of a class that has one alone, this one."""
    taken = inspect.signature(torch_class).parameters
    if "foreach" not in taken and not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        alone: list[tuple[str, Role, dict[str, bool]]] = [("torch, its only form", "loop", {})]
        return [*alone, ("torch.compile", "compiled", {})] if compiled else alone
    flags: list[tuple[str, Role, dict[str, bool]]] = [("torch foreach", "foreach", {"foreach": True})]
    if torch_class in FUSED[kind]:
        flags.insert(0, ("torch fused", "fused", {"fused": True}))
    if not entry.clip_and_average:
        flags.append(("torch loop", "loop", {"foreach": False}))
        if compiled:
            flags.append(("torch.compile", "compiled", {"foreach": True}))
    return flags


def _plain(
    torch_class: Callable[..., torch.optim.Optimizer], label: str, settings: dict[str, Any], role: Role
) -> Callable[..., Running]:
    def build(params: list[Parameter]) -> Running:
        optimizer = torch_class(params, **settings)
        step: Any = optimizer.step
        if role == "compiled":
            step = torch.compile(step)  # pyright: ignore[reportUnknownMemberType]
        return Running(optimizer, step, label)

    return build


def _clipped_and_averaged(
    torch_class: Callable[..., torch.optim.Optimizer], label: str, settings: dict[str, Any], role: Role
) -> Callable[..., Running]:
    """What people write around torch's optimizers: three calls, of which each passes over memory."""

    def build(params: list[Parameter]) -> Running:
        optimizer: Any = torch_class(params, **settings)
        weights: list[Tensor] = [p.detach() for p in params]
        averages = [w.clone() for w in weights]

        def step() -> None:
            clip_grad_norm_(params, MAX_NORM)
            optimizer.step()
            torch._foreach_lerp_(averages, weights, 1 - EMA_DECAY)

        return Running(optimizer, step, label, bytes_of(gradients(params)) + 2 * bytes_of(averages))

    return build


def bytes_moved(running: Running, params: Sequence[Parameter]) -> int:
    """The bytes that a step must move: weights and states in and out, gradients in (and once more to be clipped).

    States are those that are there now; step counts and other single numbers are not counted, nor is what an
    implementation reads or writes beyond this.
    """
    kept = [x for state in running.optimizer.state.values() for x in state.values()]
    states = {id(x): x for value in kept for x in _stored(value) if x.dim() > 0}  # look-up tables are shared
    moved = bytes_of(params) + bytes_of(list(states.values()))
    return 2 * moved + bytes_of(gradients(params)) + running.beside


def _stored(value: object) -> list[Tensor]:
    """The plain tensors that a state is kept in: itself, or what another library's class wraps."""
    names = getattr(value, "tensor_attrs", None)  # a subclass of Tensor, which tells the size it stands for
    if isinstance(value, Tensor) and names is None:
        return [value]
    held = [getattr(value, name) for name in names or getattr(value, "__dict__", {})]
    return [x for x in held if isinstance(x, Tensor)]


def gradients(params: Sequence[Parameter]) -> list[Tensor]:
    """Those that are there."""
    return [p.grad for p in params if p.grad is not None]


def bytes_of(tensors: Sequence[Tensor]) -> int:
    """Of all of these together."""
    return sum(x.numel() * x.element_size() for x in tensors)
