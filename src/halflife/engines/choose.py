"""Which engine steps a group, and why: the one place that decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..regularizers import Regularizer
from . import eager, foreach
from .library import Missing, load
from .native import Table
from .native_rows import refusals
from .work import Work


@dataclass(frozen=True)
class Choice:
    """An engine's name, the function that runs it, and the reason it was taken, in words."""

    name: str
    run: Callable[[Work], None]
    reason: str


SMALL = 1 << 11
"""Coordinates a tensor up to which, on a CPU, one call for many tensors beats one tensor staying in the cache."""


def choose(
    group: Mapping[str, Any],
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    R: Regularizer,
    work: Work | None = None,
) -> Choice:
    """The fastest engine that fits, unless ``foreach`` says otherwise; native only where the work is known."""
    must = next(_only_eager(group, params, grads), None)
    if must:
        return Choice("eager", eager.run, must)
    couples = None if R.separable else f"{R!r} couples the coordinates of a tensor"
    if group.get("foreach"):
        return (
            Choice("eager", eager.run, couples) if couples else Choice("foreach", foreach.run, "foreach=True was given")
        )
    obstacle = "the work is not known" if work is None else _without_native(work)
    if obstacle is None:
        return Choice("native", run_native, "on the CPU, one pass over memory for all tensors of all groups")
    if couples:
        return Choice("eager", eager.run, couples if work is None else f"{couples}; not native: {obstacle}")
    if group.get("fused"):
        return Choice("foreach", foreach.run, f"fused=True was given, but {obstacle}")
    choice = _fastest(params)
    return choice if work is None else Choice(choice.name, choice.run, f"{choice.reason}; not native: {obstacle}")


def _without_native(work: Work) -> str | None:
    library = load()
    return (
        f"there is no native engine: {library.reason}" if isinstance(library, Missing) else next(refusals(work), None)
    )


def run_native(work: Work) -> None:
    """One group by itself."""
    Table([work]).run([work])


def _only_eager(group: Mapping[str, Any], params: Sequence[Tensor], grads: Sequence[Tensor]) -> Iterator[str]:
    """What no engine but eager can do, or was asked to do."""
    if group.get("differentiable"):
        yield "differentiable=True: autograd follows each operation"
    if group.get("foreach") is False or group.get("fused") is False:
        yield "foreach=False or fused=False was given"
    if any(g.is_sparse for g in grads):
        yield "a gradient is sparse"
    if len({*map(id, params)}) < len(params):
        yield "a parameter stands twice in the group"
    if any(type(p) not in (Tensor, torch.nn.Parameter) for p in params):
        yield "a parameter is a tensor subclass"


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
