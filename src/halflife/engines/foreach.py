"""The same rule over lists: one ``torch._foreach_*`` call for all tensors that share device, dtype and clock."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from .memory import ParameterState
from .tensor_list import TensorList
from .work import Clock, Work, as_real

Row = tuple[Tensor, Tensor, ParameterState, Clock]


def run(work: Work) -> None:
    """One step of every parameter of the group, in place."""
    for rows in _alike(work).values():
        _step(work, rows)
        _average(work, rows)


def _alike(work: Work) -> dict[Any, list[Row]]:
    """The parameters that can go in one list: same device, dtype and states and, read as numbers, same clock."""
    buckets: dict[Any, list[Row]] = defaultdict(list)
    for p, g, state in zip(work.params, work.grads, work.states, strict=True):
        clock = work.read_clock(state)
        times = tuple(clock.values()) if work.mode == "plain" else ()
        buckets[p.device, p.dtype, g.dtype, tuple(state), times].append((p, g, state, clock))
    return buckets


def _step(work: Work, rows: list[Row]) -> None:
    w = TensorList([work.weights(p, state) for p, _, state, _ in rows])
    g = work.scaled(TensorList([work.gradient_of(p, g) for p, g, _, _ in rows]), rows[0][0].device)
    states = [work.states_of(p, state) for p, _, state, _ in rows]
    s: Any = {name: TensorList([state[name] for state in states]) for name in states[0]}
    s |= rows[0][3] if work.mode == "plain" else {}
    w_new, new = work.update(s.get("step", 0.0), w, g, s, **work.numbers)  # type: ignore[arg-type]
    _store(work, rows, s, new)
    _put(work, rows, w_new)  # type: ignore[arg-type]


def _store(work: Work, rows: list[Row], s: Any, new: Any) -> None:
    as_is = work.memory.as_is(rows[0][0])
    for name, x in new.items():
        if as_is and isinstance(x, TensorList) and isinstance(s.get(name), TensorList):
            torch._foreach_copy_(s[name].tensors, x.tensors)
        else:
            for i, (p, _, state, clock) in enumerate(rows):
                work.store(p, state, {name: x.tensors[i] if isinstance(x, TensorList) else x}, clock)


def _put(work: Work, rows: list[Row], w: TensorList) -> None:
    if work.memory.as_is(rows[0][0]) or work.memory.rounding == "nearest":
        torch._foreach_copy_([as_real(p) for p, _, _, _ in rows], w.tensors)
    else:
        for (p, _, state, clock), x in zip(rows, w.tensors, strict=True):
            work.put(p, state, x, clock)


def _average(work: Work, rows: list[Row]) -> None:
    if work.ema_decay is not None:
        averages: list[Tensor] = [state["ema"] for _, _, state, _ in rows]
        weights = [p.to(average.dtype) for (p, *_), average in zip(rows, averages, strict=True)]
        torch._foreach_lerp_(averages, weights, 1 - work.ema_decay)
