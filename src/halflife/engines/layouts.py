"""How tensors lie in memory: whether they can be walked along as one run, and whether they still lie as they did."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportAttributeAccessIssue=false
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from .formats import HALF, wide
from .group_step import GroupStep
from .memory import SCALE, ParameterState

PLAIN = (Tensor, torch.nn.Parameter)
_shape, _dtype, _device = attrgetter("shape"), attrgetter("dtype"), attrgetter("device")


class TensorLayouts:
    """How these tensors lie in memory, but for where: class, shape, dtype and strides, compared for all at once."""

    def __init__(self, tensors: list[Tensor]) -> None:
        guards = _guards(tensors) if _guards_tell() and len({*map(id, tensors)}) == len(tensors) else None
        self._taken = None if guards else _read(tensors)
        self._same: Callable[..., bool] = guards or (lambda *others: _read(list(others)) == self._taken)

    def of(self, tensors: list[Tensor]) -> bool:
        """Whether each of these, as many, lies as the one in its place did; a view that is to be negated does not."""
        return self._same(*tensors)


def _read(tensors: list[Tensor]) -> tuple[list[Any], ...]:
    strides = [x.stride() if x.layout is torch.strided else None for x in tensors]
    return (
        list(map(type, tensors)),
        list(map(_shape, tensors)),
        list(map(_dtype, tensors)),
        list(map(_device, tensors)),
        strides,
        list(map(is_plain, tensors)),
    )


def _guards(tensors: list[Tensor]) -> Callable[..., bool]:
    """The check that torch's compiler puts before a compiled graph: 60 ns a tensor, against 200 attribute by attribute.

    It is stricter than need be (``requires_grad`` counts as well), which only costs a new table; twice the same tensor,
    a gradient that two parameters share, it never takes.
    """
    sizes, strides = [list(x.shape) for x in tensors], [list(x.stride()) for x in tensors]
    return torch._C._dynamo.guards.TensorGuards(*tensors, dynamic_dims_sizes=sizes, dynamic_dims_strides=strides).check


class _Subclass(Tensor):
    """What a guard must tell from a tensor of torch's own class."""


@cache
def _guards_tell() -> bool:
    """Whether the installed torch, of which this is a private part, has this check, and it sees what it must."""
    with torch.no_grad(), torch.device("cpu"):
        x = torch.zeros(2, 3, dtype=torch.float32)  # whatever the user's default is
        others = x.double(), x[:1], x.view(3, 2), x.view(3, 2).t(), torch._neg_view(x), x.to_sparse()
        try:
            same = _guards([x])
            return same(torch.ones_like(x)) and not any(map(same, (*others, x.as_subclass(_Subclass))))
        except Exception:  # whatever a torch that has changed it raises
            return False


def reader(names: list[tuple[str, ...]]) -> Callable[[Iterable[ParameterState]], list[Tensor]]:
    """From the parameters' states, in their order, the tensors under the names that each was entered by."""
    kinds = {*names}
    if kinds <= {()}:
        return lambda states: []
    if len(kinds) == 1:
        own = names[0]
        get = cast("Callable[[ParameterState], Any]", itemgetter(*own))
        if len(own) == 1:
            return lambda states: list(map(get, states))
        return lambda states: list(chain.from_iterable(map(get, states)))
    return lambda states: [state[name] for state, own in zip(states, names, strict=True) for name in own]


def overlap(written: Sequence[Tensor]) -> bool:
    """Whether any two share memory, for which threads would race: they must be taken in their order, as eager does."""
    begin = np.array([x.data_ptr() for x in written], np.int64)
    order, end = begin.argsort(), begin + np.array([x.nbytes for x in written], np.int64)
    return bool((begin[order][1:] < np.maximum.accumulate(end[order])[:-1]).any())


def is_plain(x: Any) -> bool:
    """Whether this is torch's own class of tensor, strided, with all of its numbers in a CPU's or GPU's memory."""
    if type(x) not in PLAIN or x.layout is not torch.strided or x.is_neg() or x.is_inference():
        return False
    if not (x.is_cpu or x.is_cuda):
        return False
    try:
        at, held = x.data_ptr(), x.untyped_storage().nbytes()
    except RuntimeError:  # a wrapper of torch.func, which has no memory
        return False
    reach = sum((size - 1) * stride for size, stride in zip(x.shape, x.stride(), strict=True)) + 1
    return x.numel() == 0 or (at != 0 and (x.storage_offset() + reach) * x.element_size() <= held)


def same_order(p: Tensor, g: Tensor) -> bool:
    """Whether the two are one run of memory each, in the same order."""
    if not (p.is_floating_point() and g.is_floating_point()) or p.shape != g.shape or p.device != g.device:
        return False
    if p.dtype not in _FLOATS or g.dtype not in _FLOATS:
        return False
    if p.is_contiguous():
        return g.is_contiguous()
    return p.stride() == g.stride() and dense(p)


_FLOATS = (torch.float32, torch.float64, *HALF)


def states_fit(step: GroupStep, p: Tensor, state: ParameterState) -> bool:
    """Whether all that lies beside a parameter has the size, format and order that the table takes it to have."""
    memory, names = step.memory, step.known(state)
    clocks = [state[name] for name in step.clock_names() if name in step.needed(p) and name in state]
    kept = {state[name].dtype for name in names if name != "anchor"}
    auxiliary = ({*names, *step.needed(p)} & state.keys()) - {*step.clock_names()}
    formats = {"anchor": p.dtype, "kahan": p.dtype, "ema": wide(p.dtype)}
    if not (memory.as_is(p) and kept <= {p.dtype}) and not p.is_contiguous():
        return False  # codes and dithers count in row-major order
    if len(kept) > 1 or (kept and memory.state_dtype is not None and kept != {memory.dtype_of_states(p)}):
        return False
    return (
        (p.dtype == torch.float64 or torch.float64 not in kept)
        and all(_fits(state[name], p, formats.get(name)) for name in auxiliary)
        and all(_scaled(state, name, p) for name in names if state[name].dtype is torch.uint8)
        and all(is_plain(x) and x.numel() == 1 and x.dtype == clocks[0].dtype for x in clocks)
        and all((x.is_cpu or x.device == p.device) and x.device == clocks[0].device for x in clocks)
        and (not clocks or clocks[0].dtype in (torch.float32, torch.float64))
    )


def _fits(x: Tensor, p: Tensor, dtype: torch.dtype | None) -> bool:
    """Whether a tensor can be walked as its parameter is; of this dtype, or of any that the library knows."""
    known = (dtype,) if dtype else (*_FLOATS, torch.uint8)
    if not is_plain(x) or x.device != p.device or x.shape != p.shape or x.dtype not in known:
        return False
    return x.stride() == p.stride() or (x.is_contiguous() and p.is_contiguous())


def _scaled(state: ParameterState, name: str, p: Tensor) -> bool:
    """Whether the scales of a state in codes can be read; ``GroupStep.begin`` saw to it that they are there."""
    scale = state[name + SCALE]
    return is_plain(scale) and scale.device == p.device and scale.dtype == torch.float32 and scale.is_contiguous()


def dense(x: Tensor) -> bool:
    """Whether a strided tensor's numbers fill their memory, each once, in whatever order of dimensions."""
    expected = 1
    for stride, size in sorted((st, sz) for st, sz in zip(x.stride(), x.shape, strict=True) if sz != 1):
        if stride != expected:
            return False
        expected *= size
    return True


def mask_fits(mask: Tensor, p: Tensor) -> bool:
    """Whether a mask can be walked as the parameter is, to its end."""
    same_order = mask.stride() == p.stride() or (mask.is_contiguous() and p.is_contiguous())
    return is_plain(mask) and mask.device == p.device and mask.shape == p.shape and same_order
