"""state_dicts: out as plain data, in after a check that leaves the optimizer as it was if it fails."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor

from ..decays import Decay
from ..engines import GroupStep
from ..engines.formats import BLOCK, wide
from ..engines.group_step import as_clock
from ..engines.memory import SCALE, ParameterState, decoded
from ..regularizers import KNOWN, Regularizer, build
from ..sharded.sharding import Sharding, here, is_dtensor, shard_of
from ..sharded.stand_ins import local_part, published_state, steps_locally
from .groups import BASE_LR, GLOBAL, LOCAL, SKIPPED, Group, GroupView, decay_of

StateDict = dict[str, Any]

NEWER: dict[str, Any] = {
    "maximize": False,
    "foreach": None,
    "capturable": False,
    "differentiable": False,
    "fused": None,
    "amsgrad": False,
    "nesterov": False,
    "decoupled_weight_decay": False,
}
"""Flags that torch added over the years: an older dict lacks them, and torch fills them in like this."""
WRITER, FORMAT = "halflife", 2
"""A state_dict of ours says so. In a group of format 2 a setting is missing where it is implied; one that comes through
``torch.distributed.checkpoint`` says nothing, and what it lacks stays as it is."""

OURS = (
    *(BASE_LR, "base_lr", "decay", "regularizer", "direction", "eps_inside", "ema_decay", "process_group"),
    *(LOCAL + GLOBAL),
)
"""Settings that torch's dicts do not have."""


IMPLIED: dict[str, Any] = {
    "regularizer": None,
    "direction": None,
    "base_lr": None,
    "rounding": "nearest",
    "state_dtype": None,
    "engine": None,
    "max_grad_norm": None,
    "skip_nonfinite": False,
    "ema_decay": None,
    "eps_inside": False,
    SKIPPED: 0,
}
"""What a group that does not have a setting says. None stands in a group that is implied: so the groups of one of
torch's classes have torch's keys alone, by which ``torch.distributed.checkpoint`` finds them in torch's files."""


def pack(groups: list[Group], state: Mapping[Any, Any], view: Callable[[Group], GroupView]) -> StateDict:
    """torch's layout: groups with indices for parameters, states by index; of DTensors, codes as the numbers they are.

    So these can be laid out over other processes, whose blocks are others.
    """
    unique = dict.fromkeys(chain.from_iterable(group["params"] for group in groups))
    index = {p: i for i, p in enumerate(unique)}
    packed = [_packed(group, index) for group in groups]
    owner = {p: group for group in groups for p in group["params"] if is_dtensor(p)}
    states = {index.get(p, p): s for p, s in state.items()}
    for p in (p for p in owner if any(name.endswith(SCALE) for name in state.get(p, ()))):
        states[index[p]] = _numbers_of(view(owner[p]), p, state[p])
    for group in (group for group in groups if view(group).rule.step_count == "int"):
        for i in (index[p] for p in group["params"] if "step" in states.get(index[p], ())):
            states[i] = {**states[i], "step": int(states[i]["step"])}
    return {"state": states, "param_groups": packed, WRITER: FORMAT}


def _numbers_of(view: GroupView, p: Any, state: Mapping[str, Any]) -> ParameterState:
    """A DTensor's state without codes: float32 DTensors in their place."""
    coded = [name for name in state if name + SCALE in state]
    local = {name: here(x) if isinstance(x, Tensor) else x for name, x in state.items()}
    plain = {name: x for name, x in state.items() if name.removesuffix(SCALE) not in coded}
    numbers = {name: decoded(local, name, torch.float32, view.memory.signed(name)) for name in coded}
    return {**plain, **{name: Sharding.of(p).spread(x) for name, x in numbers.items()}}


def _packed(group: Group, index: dict[Tensor, int]) -> Group:
    """The settings as plain leaves, every one that the group has: ``torch.distributed.checkpoint`` asks for each."""
    packed = {name: value for name, value in group.items() if name != "params"}
    if isinstance(packed.get("decay"), Decay):
        packed["decay"] = [packed["decay"].placement, packed["decay"].multiplier]
    if isinstance(packed.get("regularizer"), Regularizer):
        packed["regularizer"] = _text_of(packed["regularizer"].spec())
    if isinstance(packed.get("state_dtype"), torch.dtype):
        packed["state_dtype"] = str(packed["state_dtype"])
    return {**packed, "params": [index[p] for p in group["params"]]}


def _text_of(spec: Mapping[str, Any]) -> Any:
    """As one text; a regularizer that has tensors, a mask for instance, stays a dict."""
    try:
        return json.dumps(spec)
    except TypeError:
        return spec


def unpack(
    state_dict: StateDict,
    groups: list[Group],
    view: Callable[[Group], GroupView],
    required: Callable[[Group], Collection[str]],
) -> StateDict:
    """New groups and states for these parameters, from what was saved; the live ones are only read.

    ``required`` says which settings a saved group must have. Raises an error that names the key for what is missing
    or of a wrong shape.
    """
    saved = _require(state_dict, "param_groups", "the state_dict")
    _same_sizes(groups, saved)
    needed = [{*required(group)} - {"params", *OURS, *NEWER} for group in groups]
    complete, pairs = state_dict.get(WRITER) == FORMAT, zip(groups, saved, needed, strict=True)
    merged = [_merged(live, new, names, i, complete) for i, (live, new, names) in enumerate(pairs)]
    owner = {
        i: (p, group)
        for new, group in zip(saved, merged, strict=True)
        for i, p in zip(new["params"], group["params"], strict=True)
    }
    state: defaultdict[Any, Any] = defaultdict(dict)
    for i, entries in _require(state_dict, "state", "the state_dict").items():
        if i in owner:
            p, group = owner[i]
            state[p] = _loaded(view(group), p, entries, i)
        elif isinstance(i, int):
            raise KeyError(f"the state_dict has a state for parameter {i}, which none of its parameter groups lists")
        else:
            state[i] = deepcopy(entries)
    return {"state": state, "param_groups": merged}


def _require(mapping: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in mapping:
        raise KeyError(f"{where} has no {key!r}; is it truncated, or another optimizer's?")
    return mapping[key]


def _same_sizes(live: list[Group], saved: list[Group]) -> None:
    if len(live) != len(saved):
        raise ValueError(
            f"loaded state dict has a different number of parameter groups: param_groups has {len(saved)}, "
            f"the optimizer {len(live)}"
        )
    for i, (group, new) in enumerate(zip(live, saved, strict=True)):
        there, here = len(_require(new, "params", f"parameter group {i} of the state_dict")), len(group["params"])
        if there != here:
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                f"params of group {i} has {there} entries, the optimizer's {here}"
            )


def _merged(live: Group, saved: Group, required: set[str], index: int, complete: bool) -> Group:
    """The saved settings on the live parameters; what is missing stays as it is, or is implied in ``complete`` ones."""
    if saved.get("rule") != live.get("rule"):
        theirs, ours = (f"by {x['rule']}" if x.get("rule") else "by the optimizer's own rule" for x in (saved, live))
        raise ValueError(
            f"parameter group {index} is stepped {theirs} in the state_dict, and {ours} here; make the groups with the "
            "same rules, in the same order, then load."
        )
    for name in sorted(required):
        _require(saved, name, f"parameter group {index} of the state_dict")
    given = {name: value for name, value in saved.items() if name not in LOCAL and name != "params"}
    implied = {*OURS} - {*LOCAL} if complete else {*required}
    kept = {name: value for name, value in live.items() if name not in required | implied}
    filled = {name: value for name, value in NEWER.items() if name in live}
    merged = {**kept, **filled, **deepcopy(given)}
    if isinstance(merged.get("decay"), list | tuple):
        merged["decay"] = Decay(*merged["decay"])
    if "decay" in merged and merged["decay"] is None and "decay" in live:
        merged["decay"] = live["decay"]  # the class's own
    if isinstance(merged.get("regularizer"), str):
        merged["regularizer"] = json.loads(merged["regularizer"])
    if isinstance(merged.get("regularizer"), Mapping):
        own = live.get("regularizer")
        mine = isinstance(own, Regularizer) and type(own).__name__ == merged["regularizer"].get("name")
        known = type(own).__name__ in KNOWN
        merged["regularizer"] = own if mine and not known else build(merged["regularizer"], KNOWN)
    leave_out_implied(merged)
    return type(live)({"params": live["params"], **merged})


def _loaded(view: GroupView, p: Tensor, entries: Any, index: int) -> ParameterState:
    """One parameter's state: every key that its rule needs, of the right shape, copied to where it belongs."""
    if not isinstance(entries, Mapping):
        raise TypeError(f"the state of parameter {index} must be a dict by name, but is {type(entries).__name__}")
    saved = cast("Mapping[str, Any]", entries)
    if is_dtensor(p) and steps_locally(view, cast("Any", p)):
        return _loaded_shard(view, cast("Any", p), saved, f"of parameter {index}")
    return convert_state(view, p, saved, f"of parameter {index}")


def _loaded_shard(view: GroupView, p: Any, saved: Mapping[str, Any], of: str) -> ParameterState:
    """The state of a DTensor, whose shard here is converted as a tensor by itself.

    Codes are of one process that had the whole: they are decoded by its blocks, and cut then.
    """
    codes = {name: x for name, x in saved.items() if isinstance(saved.get(name + SCALE), Tensor)}
    whole = {name: x.full_tensor() if is_dtensor(x) else x for name, x in codes.items()}
    whole |= {name + SCALE: saved[name + SCALE] for name in codes}
    numbers = {name: decoded(whole, name, torch.float32, view.memory.signed(name)) for name in codes}
    plain = {name: x for name, x in saved.items() if name.removesuffix(SCALE) not in codes} | numbers
    local = {name: local_part(x, p, f"the state {name!r}") if _is_of(p, x) else x for name, x in plain.items()}
    return published_state(p, convert_state(view, shard_of(p).detach(), local, of), view.tensor_names)


def _is_of(p: Any, x: Any) -> bool:
    """Whether a saved tensor is laid out as a DTensor, or is to be."""
    return is_dtensor(x) or (isinstance(x, Tensor) and x.dim() > 0 and x.shape == p.shape)


def convert_state(view: GroupView, p: Tensor, saved: Mapping[str, Any], of: str) -> ParameterState:
    """The state of p in the form that this optimizer keeps it in.

    Bit for bit where the formats are the same, else decoded and rounded to nearest. The step count and the remainder
    of another rounding are left out; entries under names that this optimizer does not use are copied as they are.
    ``of`` names the parameter in errors. Raises ``KeyError`` for a state that is there in part, ``ValueError`` for a
    wrong shape.
    """
    step = view.step((), ())
    needed, rule, place = step.needed(p), step.update.rule, view.clock_place(p)
    known = {*step.state_names, *rule.scalars, *needed}
    saved = {
        name: x for name, x in saved.items() if x is not None or name not in known
    }  # torch saves what is not there
    coded = [name + SCALE for name, x in saved.items() if isinstance(x, Tensor) and _is_coded(step, name, x)]
    begun = [spec.name for spec in rule.states if spec.begins == "before the first step"]
    if any(name in saved for name in (*begun, *step.state_names)):
        for name in (*(("step",) if rule.counts_steps else ()), *begun, *coded):
            _require(saved, name, f"the state {of} in the state_dict")
    state = ParameterState()
    for name, value in saved.items():
        what = f"{name!r} {of}"
        of_codes = name.endswith(SCALE) and name.removesuffix(SCALE) in step.state_names
        if of_codes or (name in ("step", "kahan") and name not in needed and isinstance(value, Tensor)):
            continue
        if name in step.clock_names():
            state[name] = as_clock(value, place, what).to(place[0], copy=True)
        elif name in step.reduced or (name == "anchor" and view.regularizer.anchor_shape == "norm"):
            state[name] = value.detach().to(p.device, wide(p.dtype), copy=True) if isinstance(value, Tensor) else value
        elif name in known:
            _put(step, p, state, saved, name, what)
        else:
            state[name] = value.detach().clone().to(p.device) if isinstance(value, Tensor) else deepcopy(value)
    return state


def _is_coded(step: GroupStep, name: str, x: Tensor) -> bool:
    return name in step.state_names and x.dtype is torch.uint8


def _put(step: GroupStep, p: Tensor, state: ParameterState, saved: Mapping[str, Any], name: str, what: str) -> None:
    value, memory = saved[name], step.memory
    if not isinstance(value, Tensor):
        raise TypeError(f"{what} must be a tensor of shape {tuple(p.shape)}, but is {value!r}")
    value, coded = value.detach(), value.dtype is torch.uint8
    _check_shape(value, p.shape, what)
    if coded:
        _check_shape(saved[name + SCALE], torch.Size([-(-p.numel() // BLOCK)]), f"the scale of {what}")
    own_format = name in ("anchor", "kahan")
    if coded and memory.state_dtype == "8bit":
        for key in (name, name + SCALE):
            state[key] = saved[key].detach().clone().to(p.device)
    elif name == "ema":
        state[name] = value.clone().to(device=p.device, dtype=wide(p.dtype))
    elif coded or (memory.state_dtype not in (None, value.dtype) and not own_format):
        numbers = decoded(saved, name, wide(p.dtype), memory.signed(name)).detach().to(p.device)
        memory.write_state(p, state, name, numbers, None)
    else:
        own = p.dtype if memory.state_dtype is None or own_format else value.dtype
        state[name] = value.clone().to(dtype=own if p.is_floating_point() else value.dtype, device=p.device)


def _check_shape(value: Any, shape: torch.Size, what: str) -> None:
    if not isinstance(value, Tensor) or value.shape != shape:
        found = tuple(value.shape) if isinstance(value, Tensor) else repr(value)
        raise ValueError(f"{what} has shape {found} in the state_dict, but the parameter has shape {tuple(shape)}")


def leave_out_implied(group: Group) -> None:
    """Delete from a group what it says without it too."""
    for name, implied in IMPLIED.items():
        x = group.get(name, ...)
        if x is implied or (type(x) is type(implied) and x == implied):
            del group[name]
    decay = decay_of(group)
    if "decay" in group and decay == decay_of({**group, "decay": None}):
        del group["decay"]
    if not decay.needs_schedule:
        group.pop(BASE_LR, None)
