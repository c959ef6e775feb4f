"""state_dicts: out as plain data, in after a check that leaves the optimizer as it was if it fails."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from ..decays import Decay
from ..engines.memory import SCALE
from ..regularizers import KNOWN, Regularizer, build
from .groups import BASE_LR, WIDE, clock_place
from .precision import FORMATS
from .restore import restored

if TYPE_CHECKING:
    from .optimizer import Optimizer

Group = dict[str, Any]
StateDict = dict[str, Any]

NEWER: dict[str, Any] = {
    **{"maximize": False, "foreach": None, "capturable": False, "differentiable": False, "fused": None},
    **{"amsgrad": False, "nesterov": False, "decoupled_weight_decay": False},
}
"""Flags that torch added over the years: an older dict lacks them, and torch fills them in like this."""
OURS = (BASE_LR, "decay", "regularizer", "eps_inside", *FORMATS, *WIDE, "ema_decay")


def save(optimizer: Optimizer) -> StateDict:
    """torch's layout: groups with indices for parameters, states by index; hooks run as in torch."""
    for hook in optimizer._optimizer_state_dict_pre_hooks.values():
        hook(optimizer)
    unique = dict.fromkeys(chain.from_iterable(group["params"] for group in optimizer.param_groups))
    index = {p: i for i, p in enumerate(unique)}
    groups = [_packed(group, index) for group in optimizer.param_groups]
    state: dict[Any, Any] = {index.get(p, p): s for p, s in optimizer.state.items()}
    state_dict: StateDict = {"state": state, "param_groups": groups}
    for hook in optimizer._optimizer_state_dict_post_hooks.values():
        replaced = hook(optimizer, state_dict)
        state_dict = state_dict if replaced is None else replaced
    return state_dict


def _packed(group: Group, index: dict[Tensor, int]) -> Group:
    packed = {name: value for name, value in group.items() if name != "params" and name not in FORMATS}
    if isinstance(packed.get("decay"), Decay):
        packed["decay"] = [packed["decay"].placement, packed["decay"].step]
    if isinstance(packed.get("regularizer"), Regularizer):
        packed["regularizer"] = packed["regularizer"].spec()
    return {**packed, "params": [index[p] for p in group["params"]]}


def load(optimizer: Optimizer, state_dict: StateDict) -> None:
    """Check first, copy, and only then put everything in place; hooks run as in torch."""
    state_dict = state_dict.copy()
    for hook in optimizer._optimizer_load_state_dict_pre_hooks.values():
        replaced = hook(optimizer, state_dict)
        state_dict = state_dict if replaced is None else replaced
    saved = _require(state_dict, "param_groups", "the state_dict")
    _same_sizes(optimizer.param_groups, saved)
    pairs = zip(optimizer.param_groups, saved, strict=True)
    groups = [_merged(live, new, _required(optimizer), i) for i, (live, new) in enumerate(pairs)]
    owner = {
        i: (p, group)
        for new, group in zip(saved, groups, strict=True)
        for i, p in zip(new["params"], group["params"], strict=True)
    }
    state: defaultdict[Any, Any] = defaultdict(dict)
    for i, entries in _require(state_dict, "state", "the state_dict").items():
        if i in owner:
            state[owner[i][0]] = _restored(optimizer, *owner[i], entries, i)
        elif isinstance(i, int):
            raise KeyError(f"the state_dict has a state for parameter {i}, which none of its parameter groups lists")
        else:
            state[i] = deepcopy(entries)
    optimizer.__setstate__({"state": state, "param_groups": groups})
    for hook in optimizer._optimizer_load_state_dict_post_hooks.values():
        hook(optimizer)


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


def _required(optimizer: Optimizer) -> set[str]:
    """The settings that a group must have: all of torch's constructor, or all of ours where torch has none."""
    names = optimizer._torch_names or tuple(optimizer._face.parameters)
    return {*names} - {"params", *OURS, *NEWER}


def _merged(live: Group, saved: Group, required: set[str], index: int) -> Group:
    """The saved settings on the live parameters; what torch's dicts never have stays as it is."""
    for name in sorted(required):
        _require(saved, name, f"parameter group {index} of the state_dict")
    saved = {name: value for name, value in saved.items() if name not in FORMATS}
    kept = {name: value for name, value in live.items() if name not in required}
    filled = {name: value for name, value in NEWER.items() if name in live}
    merged = {**kept, **filled, **deepcopy({name: value for name, value in saved.items() if name != "params"})}
    if isinstance(merged.get("decay"), list | tuple):
        merged["decay"] = Decay(*merged["decay"])
    if isinstance(merged.get("regularizer"), Mapping):
        own = live.get("regularizer")
        mine = isinstance(own, Regularizer) and type(own).__name__ == merged["regularizer"].get("name")
        merged["regularizer"] = own if mine and type(own).__name__ not in KNOWN else build(merged["regularizer"], KNOWN)
    return {"params": live["params"], **merged}


def _restored(optimizer: Optimizer, p: Tensor, group: Group, entries: Any, index: int) -> dict[str, Any]:
    """One parameter's state: every key that its rule needs, of the right shape, copied to where it belongs."""
    if not isinstance(entries, Mapping):
        raise TypeError(f"the state of parameter {index} must be a dict by name, but is {type(entries).__name__}")
    saved = {name: value for name, value in cast("Mapping[str, Any]", entries).items() if value is not None}
    work, of = optimizer._work(group, []), f"of parameter {index}"
    codes = [name + SCALE for name, value in saved.items() if isinstance(value, Tensor) and value.dtype is torch.uint8]
    for name in (*work.clock_names(), *work.state_names, *codes) if saved else ():
        _require(saved, name, f"the state {of} in the state_dict")
    return restored(work, p, clock_place(group, p), saved, of)
