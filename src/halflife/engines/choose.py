"""Which engine steps a tensor, and why: the one place that decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from ..rules import Rule
from . import cuda, eager, foreach, matrices
from .group_step import GroupStep
from .layouts import PLAIN
from .library import Missing, load
from .native_rows import group_obstacle, tensor_obstacle
from .native_table import Table

Engine = Literal["native", "cuda", "compiled", "foreach", "eager"]
ENGINES = get_args(Engine)
Tables = Callable[[Sequence[GroupStep]], Any]


@dataclass(frozen=True)
class Choice:
    """An engine's name, the function that runs it, and the reason it was taken, in words.

    ``table`` makes what such an engine keeps from step to step, for several groups at once; None for engines that keep
    nothing.
    """

    name: str
    run: Callable[[GroupStep], None]
    reason: str
    table: Tables | None = field(default=None, compare=False)


SMALL = 1 << 11
"""Coordinates a tensor up to which, on a CPU, one call for many tensors beats one tensor staying in the cache."""

GPU = "cuda"
"""What torch calls the devices that generated kernels are for."""

GPU_BY_DEFAULT = False
"""Whether tensors there go through them where neither ``engine=`` nor ``fused=True`` asks for it."""

NATIVE_REASON = "on the CPU, one pass over memory for all tensors of all groups"


def run_table(table: Tables, step: GroupStep) -> None:
    """One group by itself."""
    made = table([step])
    made.fill([step])
    made.prepare([step.gradient])
    made.run(list(step.params))


class Fused(NamedTuple):
    """An engine that makes one pass over memory: what it would be chosen as, and for each tensor what is against it."""

    choice: Choice
    obstacles: Callable[[GroupStep], list[str | None]]


def _tabled(name: str, table: Tables, reason: str) -> Choice:
    return Choice(name, partial(run_table, table), reason, table)


def _native_obstacles(step: GroupStep) -> list[str | None]:
    library = load()
    common = f"there is no native engine: {library.reason}" if isinstance(library, Missing) else group_obstacle(step)
    if common:
        return [common] * len(step.params)
    parts = zip(step.params, step.grads, step.states, strict=True)
    return [tensor_obstacle(step, p, g, state) for p, g, state in parts]


def _obstacles_of_matrices(step: GroupStep) -> list[str | None]:
    common = matrices.obstacle(step)
    if common:
        return [common] * len(step.params)
    found = [matrices.tensor_obstacle(step, p) for p in step.params]
    rest = [i for i, why in enumerate(found) if not why]
    for i, why in zip(rest, _native_obstacles(matrices.along(step).part(rest)) if rest else (), strict=True):
        found[i] = why
    return found


NATIVE = Fused(_tabled("native", Table, NATIVE_REASON), _native_obstacles)
MATRICES_REASON = "on the CPU, matrices of one shape share each product, and one pass over memory makes the step"
MATRICES = Fused(Choice("native", matrices.run, MATRICES_REASON), _obstacles_of_matrices)


@cache
def _compiled() -> Fused:
    processor = cuda.HostProcessor()
    reason = "on the CPU, the rule's own text compiled to one pass over memory"
    choice = _tabled("compiled", partial(cuda.Table, processor=processor, kernel_for=cuda.tested_kernel), reason)
    return Fused(choice, partial(cuda.obstacles, processor=processor))


@cache
def _on_gpu(device: torch.device) -> Fused:
    processor = cuda.GpuProcessor(device)
    reason = f"on {device}, the rule's own text compiled to one pass over memory"
    choice = _tabled("cuda", partial(cuda.Table, processor=processor), reason)

    def obstacles(step: GroupStep) -> list[str | None]:
        common = cuda.gpu_obstacle(device)
        return [common] * len(step.params) if common else cuda.obstacles(step, processor)

    return Fused(choice, obstacles)


def _fused(rule: Rule, gpu: torch.device | None, asked: Engine | None) -> list[Fused]:
    """The engines of one pass that may be tried for tensors on a GPU or elsewhere, the fastest first."""
    if rule.acts_on == "matrices" and gpu is None and asked in (None, "native", "cuda"):
        return [MATRICES]
    if asked in ("foreach", "eager"):
        return []
    if asked == "compiled":
        return [_compiled()]
    if gpu is not None and (asked == "cuda" or (asked is None and GPU_BY_DEFAULT)):
        return [_on_gpu(gpu)]
    return [NATIVE, _compiled()] if asked in (None, "cuda") and cuda.is_wanted_on_the_cpu() else [NATIVE]


def choose(step: GroupStep, asked: Engine | None = None) -> list[tuple[Choice, GroupStep]]:
    """The fastest engine that fits for each of the step's tensors, or the one that was ``asked`` for where it fits.

    torch's own flags, ``foreach`` and ``fused``, choose among implementations of torch that compute the same, so that
    none of them asks for a slower one here; ``fused=True`` comes as "cuda". That is one for tensors on an NVIDIA GPU
    alone: others are stepped as if nothing had been asked. States that are missing are taken for what they will be.
    """
    if step.mode == "differentiable":
        return [(Choice("eager", eager.run, "differentiable=True: autograd follows each operation"), step)]
    if len({*map(id, step.params)}) < len(step.params):
        return [(Choice("eager", eager.run, "a parameter stands twice in the group"), step)]
    special = {i: why for i in range(len(step.params)) if (why := _only_eager(step, i))}
    rest = [i for i in range(len(step.params)) if i not in special]
    found, left, buts = list[tuple[Choice, GroupStep]](), list[int](), dict[str, None]()
    gpus = {i: p.device for i, p in enumerate(step.params) if p.device.type == GPU}
    for gpu in dict.fromkeys(gpus.get(i) for i in rest):
        taken, over, but = _by_fused(
            step, [i for i in rest if gpus.get(i) == gpu], _fused(step.update.rule, gpu, asked)
        )
        found, left, buts[but] = found + taken, sorted(left + over), None
    if special:
        found.append((Choice("eager", eager.run, next(iter(special.values()))), step.part([*special])))
    if left or not found:
        part = _part(step, left) if left else step
        found.append((_without_fused(part, asked, "".join(buts)), part))
    return found


def _by_fused(
    step: GroupStep, rest: list[int], engines: Sequence[Fused]
) -> tuple[list[tuple[Choice, GroupStep]], list[int], str]:
    """What these engines take among those tensors, which are left, and what is against the first of the engines."""
    found, first = list[tuple[Choice, GroupStep]](), None
    for engine in engines:
        against = engine.obstacles(_part(step, rest))
        first = first or next(filter(None, against), None)
        takes = {i for i, why in zip(rest, against, strict=True) if not why}
        if takes:
            found.append((engine.choice, _part(step, sorted(takes))))
        rest = [i for i in rest if i not in takes]
    return found, rest, f"; not {engines[0].choice.name}: {first}" if first else ""


def _part(step: GroupStep, indices: list[int]) -> GroupStep:
    return step if len(indices) == len(step.params) else step.part(indices)


def _only_eager(step: GroupStep, i: int) -> str | None:
    """Why no engine but eager can step this tensor, if that is so."""
    if step.grads[i].is_sparse:
        return "a gradient is sparse"
    if type(step.params[i]) not in PLAIN or type(step.grads[i]) not in PLAIN:
        return "a parameter or its gradient is a tensor subclass"
    if step.params[i].is_neg():
        return "a parameter is a view to be negated"
    return None


def _without_fused(step: GroupStep, asked: Engine | None, but: str) -> Choice:
    """Among eager and foreach; ``but`` says what is against the engines of one pass that come first."""
    update = step.update
    if asked == "eager":
        return Choice("eager", eager.run, "engine='eager' was given")
    if not update.regularizer.separable:
        return Choice("eager", eager.run, f"{update.regularizer!r} couples the coordinates of a tensor{but}")
    if asked == "foreach":
        return Choice("foreach", foreach.run, "engine='foreach' was given")
    if update.rule.acts_on == "matrices":
        return Choice("foreach", foreach.run, f"matrices of one shape share each product{but}")
    choice = _fastest(step.params)
    return Choice(choice.name, choice.run, f"{choice.reason}{but}")


def _fastest(params: Sequence[Tensor]) -> Choice:
    if not all(p.is_cpu for p in params):
        return Choice("foreach", foreach.run, "on an accelerator, one kernel launch serves all tensors")
    if len(params) < 2:
        return Choice("eager", eager.run, f"on the CPU, {len(params)} tensor{'s' * (not params)}: nothing to share")
    mean = sum(p.numel() for p in params) / len(params)
    tensors = f"on the CPU, {len(params)} tensors of {mean:,.0f} numbers on average"
    if mean > SMALL:
        return Choice("eager", eager.run, f"{tensors}, each worth a call")
    return Choice("foreach", foreach.run, f"{tensors} share each call")
