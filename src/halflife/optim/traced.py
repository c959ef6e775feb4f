"""``optimizer.step()`` in a graph of ``torch.compile``: one opaque operator, in the place of a graph break.

What is traced only gathers the parameters that have gradients. The operator's body runs the ordinary step of the live
optimizer, found by a key, so that engines, numbers and states are those of the uncompiled step, and nothing of the
optimizer but its tensors' presence is guarded: a learning rate may change at every step without a recompilation.

This module is imported by the first traced step, because Dynamo takes as long to import as all of torch.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary, WeakValueDictionary

import torch
from torch import Tensor
from torch._dynamo.comptime import ComptimeContext, comptime

from ..engines.layouts import PLAIN

TRACEABLE = torch.__version__ >= "2.13"
"""Whether this torch can call a function on the live optimizer while it traces: 2.6 cannot, 2.13 is tested."""


class Steps(Protocol):
    """What is asked of an optimizer here."""

    param_groups: list[dict[str, Any]]
    defaults: dict[str, Any]
    grad_norm: Any

    def make_step(self) -> bool: ...


_counter = itertools.count()
_keys: WeakKeyDictionary[Steps, int] = WeakKeyDictionary()
_live: WeakValueDictionary[int, Steps] = WeakValueDictionary()

SCHEDULED = ("lr", "weight_decay")
"""What torch's schedulers and ours write in place where it is a tensor."""

SCALER = ("grad_scale", "found_inf")
"""What a ``torch.amp.GradScaler`` hangs on an optimizer for the time of a step."""


@dataclass(frozen=True)
class Plan:
    """What a graph knows of an optimizer, as constants: Dynamo guards that it is this very optimizer."""

    key: int
    number_places: tuple[int, ...]
    measured: bool


def step_traced(optimizer: Steps) -> None:
    """``optimizer.make_step()`` as one operator in the graph; where it cannot be one, outside of the graph."""
    if not TRACEABLE:
        step_untraced(optimizer)
        return
    comptime(_break_before_unseen_writes)
    plan = _plan_of(optimizer)
    groups = optimizer.__dict__["param_groups"]  # as an attribute, Dynamo would guard every number in it
    params = [p for group in groups for p in group["params"]]
    places = [i for i, p in enumerate(params) if p.grad is not None]
    grads = [params[i].grad for i in places]
    if plan is None or any(g.is_sparse for g in grads):
        step_untraced(optimizer)
        return
    numbers = [groups[k // len(SCHEDULED)][SCHEDULED[k % len(SCHEDULED)]] for k in plan.number_places]
    scaler = [getattr(optimizer, name, None) for name in SCALER]
    norm = _step([params[i] for i in places], grads, numbers, *scaler, places, plan.number_places, plan.key)
    if plan.measured:
        optimizer.grad_norm = norm


@torch._disable_dynamo
def step_untraced(optimizer: Steps) -> None:
    """The step left to Python, counting included: a group that traced code writes to becomes capturable."""
    optimizer.make_step()


@torch.compiler.assume_constant_result  # pyright: ignore[reportUnknownMemberType]
def _plan_of(optimizer: Steps) -> Plan | None:
    """Called while tracing, with the live optimizer; None where one operator cannot stand for its step."""
    groups = optimizer.param_groups
    params: list[Tensor] = [p for group in groups for p in group["params"]]
    plain = all(type(p) in PLAIN and not p.is_sparse for p in params)
    if optimizer.defaults["differentiable"] or not plain or len({*map(id, params)}) < len(params):
        return None
    key = _keys.setdefault(optimizer, next(_counter))
    _live[key] = optimizer
    names = ((group, name) for group in groups for name in SCHEDULED)
    tensors = tuple(k for k, (group, name) in enumerate(names) if isinstance(group[name], Tensor))
    measured = any(groups[0].get(name) for name in ("max_grad_norm", "skip_nonfinite"))
    return Plan(key, tensors, measured)


def _break_before_unseen_writes(context: ComptimeContext) -> None:
    """Break the graph where traced code wrote into a group before the step: the operator would not see it yet."""
    side_effects = context._i_will_not_complain_if_bc_breaks_InstructionTranslator().output.side_effects
    optimizer: Any = context.get_local("optimizer")._i_will_not_complain_if_bc_breaks_VariableTracker()
    for group in optimizer.value.param_groups:
        variable = side_effects.id_to_variable.get(id(group))
        if variable is not None and side_effects.is_modified(variable):
            context.graph_break("a parameter group was written to before optimizer.step() in the same graph")


def _run(
    params: list[Tensor],
    grads: list[Tensor],
    numbers: list[Tensor],
    grad_scale: Tensor | None,
    found_inf: Tensor | None,
    places: list[int],
    number_places: list[int],
    key: int,
) -> Tensor:
    """The step itself, when the graph runs; returns the norm of all gradients, NaN if nobody asked for it."""
    optimizer = _live[key]
    own: list[Tensor] = [p for group in optimizer.param_groups for p in group["params"]]
    lent = [(optimizer.__dict__, name, x) for name, x in zip(SCALER, (grad_scale, found_inf), strict=True)]
    for place, x in zip(number_places, numbers, strict=True):
        index, name = divmod(place, len(SCHEDULED))
        lent.append((optimizer.param_groups[index], SCHEDULED[name], x))
    handed = dict(zip(places, grads, strict=True))
    with torch.no_grad(), _weights([own[i] for i in places], params), _gradients(own, handed), _lent(lent):
        optimizer.make_step()
    norm, (device, dtype) = optimizer.grad_norm, _norm_place(params)
    return torch.as_tensor(torch.nan if norm is None else norm, device=device, dtype=dtype).detach().clone()


def _norm_place(params: list[Tensor]) -> tuple[torch.device, torch.dtype]:
    device = params[0].device if params else torch.device("cpu")
    return device, torch.float64 if device.type == "cpu" else torch.float32


if TRACEABLE:  # torch 2.6 knows neither tags of an operator nor this one
    _step = torch.library.custom_op(
        "halflife::step",
        _run,
        mutates_args=("params",),
        schema="(Tensor(a!)[] params, Tensor[] grads, Tensor[] numbers, Tensor? grad_scale, Tensor? found_inf, "
        "int[] places, int[] number_places, int key) -> Tensor",
        tags=(torch.Tag.cudagraph_unsafe,),
    )

    @_step.register_fake  # pyright: ignore[reportUnknownMemberType]
    def _run_fake(params: list[Tensor], *_: Any) -> Tensor:
        device, dtype = _norm_place(params)
        return torch.empty((), device=device, dtype=dtype)


@contextmanager
def _weights(own: list[Tensor], handed: list[Tensor]) -> Generator[None, None, None]:
    """Have what was handed stepped, also where functionalization made it a copy: the graph owns the original then."""
    copies = [(p, q) for p, q in zip(own, handed, strict=True) if p.data_ptr() != q.data_ptr()]
    kept = [p.clone() for p, _ in copies]
    for p, q in copies:
        p.copy_(q)
    try:
        yield
    finally:
        for (p, q), w in zip(copies, kept, strict=True):
            q.copy_(p)
            p.copy_(w)


@contextmanager
def _gradients(own: list[Tensor], handed: dict[int, Tensor]) -> Generator[None, None, None]:
    """The handed gradients as the parameters' own, and no others: traced code may have written ``.grad`` unseen."""
    kept = [p.grad for p in own]
    for i, p in enumerate(own):
        if kept[i] is not handed.get(i):
            p.grad = handed.get(i)
    try:
        yield
    finally:
        for p, g in zip(own, kept, strict=True):
            p.grad = g


@contextmanager
def _lent(items: list[tuple[dict[str, Any], str, Tensor | None]]) -> Generator[None, None, None]:
    """Each mapping's entry replaced for a while; None replaces nothing."""
    before = [(mapping, name, mapping.get(name, items)) for mapping, name, x in items if x is not None]
    for mapping, name, x in items:
        if x is not None:
            mapping[name] = x
    try:
        yield
    finally:
        for mapping, name, old in before:
            if old is items:
                del mapping[name]
            else:
                mapping[name] = old
