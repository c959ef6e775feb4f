"""Whatever a user does between steps, a table's numbers are the eager engine's, and so are its states' names."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import halflife
from halflife.engines.library import Missing, load

from .deferred import needs_compiler
from .users import engine_of, numbers, same

pytestmark = [
    needs_compiler,
    pytest.mark.filterwarnings("ignore:parameter group .* is above the base learning rate"),
    pytest.mark.filterwarnings("ignore:parameter group .* the decay multiplies"),
]
ENGINES = ["compiled", *([] if isinstance(load(), Missing) else ["native"])]
MADE: dict[str, dict[str, Any]] = {
    "AdamW": {},
    "RAdam": {},  # another kernel from the sixth step on
    "SGD": {"momentum": 0.9},  # another first step
    "NAdam": {"decoupled_weight_decay": True, "max_grad_norm": 0.5, "ema_decay": 0.9},
    "ASGD": {"skip_nonfinite": True, "t0": 3},
    "ProxAdam": {"amsgrad": True},
}
ACTIONS = ["step", "lr", "lr as a tensor", "decay", "number", "group", "load", "freeze", "thaw", "part", "infinite"]
ACTIONS += ["move", "replace", "forget", "copy"]


@pytest.fixture(autouse=True)
def _double_precision() -> Any:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def made(name: str, engine: str, capturable: bool) -> Any:
    groups = [
        {"params": [torch.nn.Parameter(numbers(shape, 7 + k)) for k, shape in enumerate(shapes)], "lr": lr}
        for shapes, lr in ((((3, 4), (257,), (2, 3)), 0.05), (((), (5,)), 0.02))
    ]
    given = {"weight_decay": 0.1, "engine": engine, **MADE[name], **({"capturable": True} if capturable else {})}
    return getattr(halflife, name)(groups, **given)


def step(optimizer: Any, t: int, part: bool = False, infinite: bool = False) -> None:
    for k, p in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        p.grad = None if part and k % 2 else numbers(p.shape, 100 + 10 * t + k)
        if infinite and k == 0:
            p.grad.view(-1)[0] = torch.inf
    optimizer.step()


def act(optimizer: Any, action: str, t: int) -> Any:
    """What a user may do at time ``t``; the optimizer to go on with."""
    group = optimizer.param_groups[t % len(optimizer.param_groups)]
    first = group["params"][0]
    state = optimizer.state.get(first, {})
    if action == "lr":
        group["lr"] = 0.05 / (1 + t)
    elif action == "lr as a tensor":
        group["lr"] = torch.tensor(0.04 / (1 + t)) if group.get("capturable") else 0.03
    elif action == "decay":
        group["weight_decay"] = 0.05 * (t % 3)
    elif action == "number":
        name = next(n for n in ("betas", "momentum", "lambd") if n in group)
        group[name] = tuple(x * 0.99 for x in group[name]) if name == "betas" else group[name] * 0.99
    elif action == "group":
        params = [torch.nn.Parameter(numbers((4,), 50 + t)), torch.nn.Parameter(numbers((3, 3), 60 + t))]
        optimizer.add_param_group({"params": params, "lr": 0.03, "weight_decay": 0.2})
    elif action == "load":
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    elif action in ("freeze", "thaw"):
        first.requires_grad_(action == "thaw")
    elif action == "move":
        first.data = first.data.clone()
    elif action == "replace" and state:
        name = sorted(name for name, x in state.items() if x.dim())[0] if first.dim() else "step"
        state[name] = 0.5 * state[name] if name != "step" else state[name].clone()
    elif action == "forget":
        optimizer.state.pop(first, None)
    elif action == "copy":
        return copy.deepcopy(optimizer)
    else:
        step(optimizer, t, action == "part", action == "infinite" and "skip_nonfinite" in MADE_BY[type(optimizer)])
    return optimizer


MADE_BY = {getattr(halflife, name): given for name, given in MADE.items()}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    st.sampled_from([*MADE]),
    st.sampled_from(ENGINES),
    st.booleans(),
    st.lists(st.sampled_from([*ACTIONS, "step", "step", "step"]), min_size=2, max_size=14),
)
def test_any_sequence_is_eager_s(name: str, engine: str, capturable: bool, actions: list[str]) -> None:
    ours, theirs = (made(name, e, capturable and engine == "compiled" and name != "SGD") for e in (engine, "eager"))
    for t, action in enumerate(["step", *actions, "step"]):
        ours, theirs = act(ours, action, t), act(theirs, action, t)
        if action == "step":
            assert {choice.name for choice in ours.engines()} == {engine}, ours.engines()
            same(ours, theirs, 1e-10)
    assert engine_of(theirs) == "eager"
    assert ours.state_dict()["state"].keys() == theirs.state_dict()["state"].keys()
