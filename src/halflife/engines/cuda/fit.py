"""Which tensors a generated kernel takes, and why it does not take the others."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...sharded.region import region_of
from ...update import Update
from ..group_step import GroupStep
from ..layouts import is_plain, mask_fits, same_order, states_fit
from ..memory import ParameterState
from ..trace import UntraceableError
from .clock import DeviceClock, HostClock
from .processor import KernelError, Processor, kernel_of
from .recording import FORMATS, plain_update
from .row import Row, columns_of, present_in
from .selftest import KernelFor, tested_kernel
from .table import clock_on


def obstacles(step: GroupStep, processor: Processor, kernel_for: KernelFor | None = tested_kernel) -> list[str | None]:
    """For each of the step's tensors, why this processor's kernels do not take it; states that are missing will do.

    ``kernel_for`` gives a row's kernel, or says why there is none; None asks for none.
    """
    common, clock = group_obstacle(step.update), clock_on(processor, [step])
    known: dict[Any, str | None] = {}
    found: list[str | None] = []
    for p, g, state in zip(step.params, step.grads, step.states, strict=True):
        why = common or tensor_obstacle(step, p, g, state, processor) or clock_obstacle(step, p, state, clock)
        if why is None:
            row = Row(0, step, columns_of(step, p, g, state), present_in(step, state))
            key = row.key(clock.of(row, state))
            if key not in known:
                known[key] = _kernel_obstacle(row, state, processor, clock, kernel_for)
            why = known[key]
        found.append(why)
    return found


def group_obstacle(update: Update) -> str | None:
    """Why no kernel can make this update, if it is known beforehand."""
    if not update.regularizer.separable:
        return f"{update.regularizer!r} couples the coordinates of a tensor"
    if update.rule.acts_on != "coordinates":
        return f"the rule {type(update.rule).__name__} acts on whole tensors"
    return None


def tensor_obstacle(step: GroupStep, p: Tensor, g: Tensor, state: ParameterState, processor: Processor) -> str | None:
    """Why a kernel cannot walk along this tensor and what belongs to it."""
    if p.device != processor.device:
        return f"a parameter is on {p.device}"
    if not (is_plain(p) and is_plain(g)):
        return "a parameter or gradient is no plain tensor with memory of its own"
    if not same_order(p, g):
        return "a parameter or gradient is complex or has gaps in memory"
    if not states_fit(step, p, state):
        return "a state lies in memory otherwise than its parameter"
    if region_of(p) is not None and step.dithers(p):
        return "random bits go by the whole tensor's order, and a kernel takes a shard's own"
    _, masks = plain_update(step.update)
    fits = all(mask.dtype in FORMATS and mask_fits(mask, p) for mask in masks)
    return None if fits else "a tensor of the regularizer has another kind, shape or order in memory than it takes"


def clock_obstacle(
    step: GroupStep, p: Tensor, state: ParameterState, clock: type[HostClock | DeviceClock]
) -> str | None:
    """Why a kernel cannot read a tensor's step count and scalars, where it must."""
    there = [state[name].device for name in step.clock_names() if name in step.needed(p) and name in state]
    if clock is HostClock or all(device == p.device for device in there):
        return None
    return f"a step count is on {there[0]}, and the parameter on {p.device}"


def _kernel_obstacle(
    row: Row,
    state: ParameterState,
    processor: Processor,
    clock: type[HostClock | DeviceClock],
    kernel_for: KernelFor | None,
) -> str | None:
    """Why there is no kernel for a tensor's next step, if there is none."""
    try:
        if issubclass(clock, HostClock):
            clock.record(row, dict(zip(row.clock_names, clock.of(row, state), strict=True)))
        else:
            row.record_on_device(DeviceClock.kept(clock.of(row, state)))
            kernel_of(row.clock_recording, processor)
        if kernel_for is not None:
            kernel_for(row, processor)
    except (UntraceableError, KernelError) as error:
        return str(error)
    return None
