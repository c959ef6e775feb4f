"""The same rule over lists: one ``torch._foreach_*`` call for all tensors that share device, dtype and clock."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from ..rules import Scalar
from .tensor_list import TensorList
from .work import ParameterState, Work, as_real

Row = tuple[Tensor, Tensor, ParameterState, dict[str, Scalar]]


def run(work: Work) -> None:
    """One step of every parameter of the group, in place."""
    for rows in _alike(work).values():
        _step(work, rows)


def _alike(work: Work) -> dict[Any, list[Row]]:
    """The parameters that can go in one list: same device, dtype and states and, read as numbers, same clock."""
    buckets: dict[Any, list[Row]] = defaultdict(list)
    for p, g, state in zip(work.params, work.grads, work.states, strict=True):
        clock = work.read_clock(state)
        times = tuple(clock.values()) if work.mode == "plain" else ()
        buckets[p.device, p.dtype, g.dtype, tuple(state), times].append((p, g, state, clock))
    return buckets


def _step(work: Work, rows: list[Row]) -> None:
    params, grads, states, clocks = (list(column) for column in zip(*rows, strict=True))
    g = TensorList([as_real(g) for g in grads])
    g = g if work.direction == "minimize" else -g
    w = TensorList([as_real(p) for p in params])
    s: Any = {name: TensorList([as_real(state[name]) for state in states]) for name in states[0]}
    s |= clocks[0] if work.mode == "plain" else {}
    w_new, new = work.update(s.get("step", 0.0), w, g, s, **work.numbers)  # type: ignore[arg-type]
    for name, x in new.items():
        if name in s and isinstance(x, TensorList) and isinstance(s[name], TensorList):
            torch._foreach_copy_(s[name].tensors, x.tensors)
        else:
            for i, (p, state) in enumerate(zip(params, states, strict=True)):
                work.store(p, state, {name: x.tensors[i] if isinstance(x, TensorList) else x})
    torch._foreach_copy_(w.tensors, w_new.tensors)  # type: ignore[attr-defined]
