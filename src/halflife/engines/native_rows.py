"""A group's update as a row of numbers for the native engine, and what that engine cannot take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from .. import rules
from ..rules import Rule
from .formats import BLOCK, HALF, wide
from .library import Functor, Missing, load
from .memory import SCALE, ParameterState
from .penalties import form_of, penalty_refusals
from .work import Work

PLACEMENTS = {"none": 0, "before": 1, "explicit": 2, "cautious": 3, "implicit": 4}
"""The numbers of hl_placement in native/halflife.h."""


def refusals(work: Work) -> Iterator[str]:
    """Why the native engine cannot step this group, if it cannot."""
    update = work.update
    if work.mode != "plain":
        yield f"{work.mode}=True needs the step in torch's own operations"
    if functor_of(update.rule) is None:
        yield f"the rule {type(update.rule).__name__} is not compiled"
    yield from penalty_refusals(work)
    if not all(p.is_cpu for p in work.params):
        yield "a parameter is not on the CPU"
    elif not all(_readable(p, g) for p, g in zip(work.params, work.grads, strict=False)):
        yield "a parameter or gradient is complex, sparse or has gaps in memory"
    elif not all(_alike(work, p, state) for p, state in zip(work.params, work.states, strict=False)):
        yield "a state lies in memory otherwise than its parameter"


def _readable(p: Tensor, g: Tensor) -> bool:
    """Whether the two are one run of memory each, in the same order."""
    if not (p.is_floating_point() and g.is_floating_point()) or g.layout != torch.strided or p.shape != g.shape:
        return False
    if p.is_neg() or g.is_neg() or not g.is_cpu:
        return False
    if p.is_contiguous():
        return g.is_contiguous()
    return p.stride() == g.stride() and dense(p)


def _alike(work: Work, p: Tensor, state: ParameterState) -> bool:
    """Whether all that lies beside a parameter has the size, format and order that the table takes it to have."""
    memory, half = work.memory, p.dtype in HALF
    if not memory.as_is(p) and not p.is_contiguous():
        return False  # codes and dithers count in row-major order
    formats = {name: memory.dtype_of_states(p) for name in state_names(work)}
    formats |= {"anchor": p.dtype, "kahan": p.dtype, "ema": wide(p.dtype)}
    clocks = [state[name] for name in ("step", *work.update.rule.scalars) if name in state]
    return (
        all(_fits(state[name], p, dtype) for name, dtype in formats.items() if name in state)
        and all(_scaled(state, name, p) for name, dtype in formats.items() if dtype is torch.uint8 and name in state)
        and ("kahan" in state) == (half and memory.rounding == "kahan")
        and all(x.numel() == 1 and x.is_cpu and x.dtype == clocks[0].dtype for x in clocks)
        and (not clocks or clocks[0].dtype in (torch.float32, torch.float64))
    )


def _fits(x: Tensor, p: Tensor, dtype: torch.dtype) -> bool:
    """Whether a tensor can be walked as its parameter is."""
    plain = x.is_cpu and x.layout == torch.strided and not x.is_neg()
    same_order = plain and (x.stride() == p.stride() or (x.is_contiguous() and p.is_contiguous()))
    return same_order and x.shape == p.shape and x.dtype == dtype


def _scaled(state: ParameterState, name: str, p: Tensor) -> bool:
    """Whether a state in codes has a scale for each of its blocks."""
    scale = state.get(name + SCALE)
    blocks = -(-p.numel() // BLOCK)
    return scale is not None and scale.shape == (blocks,) and scale.dtype == torch.float32 and scale.is_contiguous()


def dense(x: Tensor) -> bool:
    """Whether a strided tensor's numbers fill their memory, each once, in whatever order of dimensions."""
    expected = 1
    for stride, size in sorted((st, sz) for st, sz in zip(x.stride(), x.shape, strict=True) if sz != 1):
        if stride != expected:
            return False
        expected *= size
    return True


def words_of(work: Work) -> tuple[Any, ...]:
    """What a row says in words; the rest of it is numbers, which may change from step to step."""
    update = work.update
    rule, form, place = update.rule, form_of(update.regularizer), update.placed(work.lam).name
    penalty = form and form.words()
    return (type(rule), functor_of(rule), place, update.decay, penalty, work.memory, work.ema_decay)


def functor_of(rule: Rule) -> Functor | None:
    """The rule's functor in its words, if it is one of halflife's own and compiled."""
    library, kind = load(), type(rule)
    if isinstance(library, Missing) or getattr(rules, kind.__name__, None) is not kind:
        return None
    words = [x for x in (getattr(rule, field.name) for field in fields(rule)) if isinstance(x, str)]  # type: ignore[arg-type]
    return library.functor(kind.__name__, " ".join(words))


def state_names(work: Work) -> tuple[str, ...]:
    """The rule's per-coordinate states, in the order of its functor's references."""
    rule = work.update.rule
    momentum = isinstance(rule, rules.SGD) and rule.look != "plain"
    return ("momentum_buffer",) if momentum else work.state_names


def numbers_of(work: Work) -> tuple[Any, ...]:
    """What a row says in numbers; tensors by their value."""
    rule, functor = work.update.rule, functor_of(work.update.rule)
    assert functor is not None  # refusals saw to it
    numbers = (work.lr, work.eta, work.lam, work.gradient, *(getattr(rule, name) for name in functor.hyper))
    return tuple(float(x) if isinstance(x, Tensor) else x for x in numbers)


def fill(row: Any, work: Work) -> None:
    """This step's numbers, and the words."""
    update, form = work.update, form_of(work.update.regularizer)
    place, decay = update.placed(work.lam).name, update.decay
    functor = functor_of(update.rule)
    assert functor is not None  # refusals saw to it
    row["rule"], row["placement"] = functor.number, PLACEMENTS[place]
    row["threshold"] = place not in ("none", "before") and decay.needs_metric
    row["rounding"] = ("nearest", "stochastic", "kahan").index(work.memory.rounding)
    row["lr"], row["scale"] = work.lr, decay.scale(work.lr, work.eta, 1.0)
    row["gradient"] = work.gradient
    assert form is not None  # refusals saw to it
    form.fill(row, float(work.lam))
    for i, name in enumerate(functor.hyper):
        row["hyper"][i] = getattr(update.rule, name)
    row["ema_decay"] = -1 if work.ema_decay is None else work.ema_decay
