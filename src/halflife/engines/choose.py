"""Which engine steps a tensor, and why: the one place that decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from . import eager, foreach
from .group_step import GroupStep
from .layouts import PLAIN
from .library import Missing, load
from .native_rows import group_obstacle, tensor_obstacle
from .native_table import Table

Engine = Literal["native", "foreach", "eager"]
ENGINES = get_args(Engine)


@dataclass(frozen=True)
class Choice:
    """An engine's name, the function that runs it, and the reason it was taken, in words."""

    name: str
    run: Callable[[GroupStep], None]
    reason: str


SMALL = 1 << 11
"""Coordinates a tensor up to which, on a CPU, one call for many tensors beats one tensor staying in the cache."""

NATIVE_REASON = "on the CPU, one pass over memory for all tensors of all groups"


def run_native(step: GroupStep) -> None:
    """One group by itself."""
    table = Table([step])
    table.fill([step])
    table.run(list(step.params), [step.gradient])


def choose(step: GroupStep, asked: Engine | None = None) -> list[tuple[Choice, GroupStep]]:
    """The fastest engine that fits for each of the step's tensors, or the one that was ``asked`` for where it fits.

    torch's own flags, ``foreach`` and ``fused``, choose among implementations of torch that compute the same, so that
    none of them asks for a slower one here. States that are missing are taken for what they will be.
    """
    everything = range(len(step.params))
    if step.mode == "differentiable":
        return [(Choice("eager", eager.run, "differentiable=True: autograd follows each operation"), step)]
    if len({*map(id, step.params)}) < len(step.params):
        return [(Choice("eager", eager.run, "a parameter stands twice in the group"), step)]
    native, rest = [], list(everything)
    if asked in (None, "native"):
        native, rest, why = _native(step)
    else:
        why = None
    found = [(Choice("native", run_native, NATIVE_REASON), step if not rest else step.part(native))] if native else []
    special = [i for i in rest if _only_eager(step, i)]
    common = [i for i in rest if i not in set(special)]
    if special:
        found.append((Choice("eager", eager.run, str(_only_eager(step, special[0]))), step.part(special)))
    if common:
        part = step if len(common) == len(everything) else step.part(common)
        found.append((_without_native(part, asked, why), part))
    return found or [(_without_native(step, asked, why), step)]


def _native(step: GroupStep) -> tuple[list[int], list[int], str | None]:
    """The tensors that the native engine takes, the others, and what is against those that not eager alone can step."""
    library = load()
    obstacle = f"there is no native engine: {library.reason}" if isinstance(library, Missing) else group_obstacle(step)
    if obstacle:
        return [], list(range(len(step.params))), obstacle
    takes, leaves = list[int](), list[int]()
    for i, (p, g, state) in enumerate(zip(step.params, step.grads, step.states, strict=True)):
        special = _only_eager(step, i)
        why = None if special else tensor_obstacle(step, p, g, state)
        obstacle = obstacle or why
        (leaves if special or why else takes).append(i)
    return takes, leaves, obstacle


def _only_eager(step: GroupStep, i: int) -> str | None:
    """Why no engine but eager can step this tensor, if that is so."""
    if step.grads[i].is_sparse:
        return "a gradient is sparse"
    if type(step.params[i]) not in PLAIN or type(step.grads[i]) not in PLAIN:
        return "a parameter or its gradient is a tensor subclass"
    if step.params[i].is_neg():
        return "a parameter is a view to be negated"
    return None


def _without_native(step: GroupStep, asked: Engine | None, why: str | None) -> Choice:
    """Among eager and foreach; ``why`` says what is against the native engine."""
    update, but = step.update, f"; not native: {why}" if why else ""
    if asked == "eager":
        return Choice("eager", eager.run, "engine='eager' was given")
    if not update.regularizer.separable:
        return Choice("eager", eager.run, f"{update.regularizer!r} couples the coordinates of a tensor{but}")
    if asked == "foreach":
        return Choice("foreach", foreach.run, "engine='foreach' was given")
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
