"""One parameter's saved state, brought to the form in which the loading optimizer keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from ..engines import Work
from ..engines.formats import BLOCK, HALF, wide
from ..engines.memory import SCALE, decoded, is_scale
from .groups import clock_place

Place = tuple[torch.device, torch.dtype]


def restored(work: Work, p: Tensor, place: Place, saved: Mapping[str, Any], of: str) -> dict[str, Any]:
    """The state of p: bit for bit where the formats are the same, else decoded and rounded to nearest.

    ``place`` is where its clock lies, ``of`` names the parameter in errors. What this optimizer has no use for, of
    step count, remainder and average, is left out. Raises ``ValueError`` for a wrong shape.
    """
    beside, rule = work.beside[p.dtype in HALF], work.update.rule
    idle = {"step", "kahan", "ema"} - {*beside} - ({"step"} if rule.counts_steps else set())
    state: dict[str, Any] = {}
    for name, value in saved.items():
        what = f"{name!r} {of}"
        if name in idle or is_scale(name, saved):
            continue
        if name == "step" or name in rule.scalars:
            state[name] = _scalar(value, *place, what)
        elif not isinstance(value, Tensor):
            state[name] = deepcopy(value)
        else:
            _check_shape(value, p.shape, what)
            _put(work, p, state, saved, name, what)
    return state


def reform(work: Work, group: dict[str, Any], states: Mapping[Tensor, dict[str, Any]]) -> None:
    """The states of a group whose formats were changed between two steps, brought to the new ones in place."""
    for p in group["params"]:
        state = states.get(p)
        if state:
            new = restored(work, p, clock_place(group, p), state, "of a parameter")
            state.clear()
            state.update(new)


def _put(work: Work, p: Tensor, state: dict[str, Any], saved: Mapping[str, Any], name: str, what: str) -> None:
    value, memory = saved[name].detach(), work.memory
    coded = value.dtype is torch.uint8
    if coded:
        _check_shape(saved[name + SCALE], torch.Size([-(-p.numel() // BLOCK)]), f"the scale of {what}")
    if coded and memory.state_dtype == "8bit":
        for key in (name, name + SCALE):
            state[key] = saved[key].detach().clone().to(p.device)
    elif name == "ema":
        state[name] = value.clone().to(device=p.device, dtype=wide(p.dtype))
    elif coded or (memory.state_dtype not in (None, value.dtype) and name not in ("anchor", "kahan")):
        numbers = decoded(saved, name, wide(p.dtype)).detach().to(p.device)
        memory.write_state(p, state, name, numbers, None)
    else:
        own = p.dtype if memory.state_dtype is None or name in ("anchor", "kahan") else value.dtype
        state[name] = value.clone().to(dtype=own if p.is_floating_point() else value.dtype, device=p.device)


def _scalar(value: Any, device: torch.device, dtype: torch.dtype, what: str) -> Tensor:
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ValueError(f"{what} must be a single number, but the state_dict has shape {tuple(value.shape)}")
        return value.detach().clone().reshape(()).to(device)
    return torch.tensor(float(value), dtype=dtype, device=device)


def _check_shape(value: Tensor, shape: torch.Size, what: str) -> None:
    if value.shape != shape:
        raise ValueError(
            f"{what} has shape {tuple(value.shape)} in the state_dict, but the parameter has shape {tuple(shape)}"
        )
