"""Any optimizer, shape, dtype and setting, through any sequence of what users do: it stays finite and sound."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import halflife
from halflife.catalogue import rule_of
from halflife.decays import NAMED
from halflife.optimizers import OPTIMIZERS
from halflife.regularizers import L1, L2, ElasticNet, GroupLasso, Huber, NonNegative, Regularizer, TowardInit
from halflife.rules import Rule
from halflife.update import check

NAMES = sorted(name for name, optimizer in OPTIMIZERS.items() if rule_of(optimizer).sparse != "required")
CELLS = [
    *(
        (decay, R)
        for decay in ("coupled", "decoupled", "independent", "corrected", "cautious")
        for R in (L2(), Huber())
    ),
    *(("independent", TowardInit()), ("decoupled", TowardInit()), ("coupled", L2())),
    *((d, R) for d in ("proximal", "proximal_lr", "euclidean") for R in (L2(), L1(), ElasticNet(), NonNegative())),
    *(("proximal", GroupLasso(0)), ("euclidean", GroupLasso(-1))),
]
FLAGS: dict[str, list[dict[str, Any]]] = {
    "SGD": [{"momentum": 0.9}, {"momentum": 0.5, "nesterov": True}],
    "RMSprop": [{"centered": True}, {"momentum": 0.5}],
    "Adam": [{"amsgrad": True}],
    "Adafactor": [{"d": 2.0, "eps": (1e-3, 0.1)}],
    "Muon": [{"nesterov": False, "adjust_lr_fn": "match_rms_adamw"}, {"matrices": "stacked"}, {"ns_form": "gram"}],
}
SHAPES = st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple)
DTYPES = st.sampled_from([torch.float32, torch.float64, torch.bfloat16])
ACTIONS = st.sampled_from(["step", "step", "step", "constant step", "skip", "group", "load", "lr", "decay", "copy"])


@st.composite
def optimizers(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from(NAMES))
    decay, regularizer = draw(st.sampled_from(CELLS).filter(lambda cell: composes(rule_of(OPTIMIZERS[name]), *cell)))
    flags = draw(st.sampled_from([{}, *FLAGS.get(name, [])]))
    lr = draw(st.floats(1e-5, 0.1))
    λ = draw(st.floats(0, 0.5))
    engine = draw(st.sampled_from([None, "foreach", "eager"]))
    common = {"lr": lr, "weight_decay": λ, "decay": decay, "regularizer": regularizer, "engine": engine}
    return name, {**flags, **common}


def composes(rule: Rule, decay: str, regularizer: Regularizer) -> bool:
    try:
        check(rule, NAMED[decay], regularizer)
    except ValueError:
        return False
    return True


def shapes_of(rule: Rule) -> st.SearchStrategy[tuple[int, ...]]:
    """Those that the rule takes."""

    def takes(shape: tuple[int, ...]) -> bool:
        try:
            rule.check(torch.empty(shape))
        except ValueError:
            return False
        return True

    return SHAPES.filter(takes)


def sound(optimizer: halflife.Optimizer, group: dict[str, Any], p: torch.Tensor) -> bool:
    """Whether each state is finite and of the shape and the dtype that the rule declares; of nothing means are NaN."""
    means = {"rows": (*p.shape[:-1], 1), "columns": (*p.shape[:-2], 1, *p.shape[-1:])}
    declared = {state.name: state.shape for state in optimizer.view(group).rule.states}
    for key, x in optimizer.state.get(p, {}).items():
        if key in declared and declared[key] in means:
            right = x.shape == means[declared[key]]
        else:
            right = x.dim() == 0 or (x.shape == p.shape and x.dtype == p.dtype)
        if not right or (p.numel() and not x.isfinite().all()):
            return False
    return True


def weight(shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).to(dtype).requires_grad_()


def perform(action: str, optimizer: halflife.Optimizer, draw: st.DataObject, seed: int) -> halflife.Optimizer:
    """One thing that a user might do; returns the optimizer to go on with."""
    group = optimizer.param_groups[-1]
    if action == "group":
        optimizer.add_param_group(
            {"params": [weight(draw.draw(shapes_of(optimizer.view(group).rule)), torch.float32, seed)], "lr": 0.03}
        )
    elif action == "load":
        state_dict = copy.deepcopy(optimizer.state_dict())
        optimizer.load_state_dict(state_dict)
    elif action == "copy":
        return copy.deepcopy(optimizer)
    elif action == "lr":
        group["lr"] = optimizer.defaults["lr"] * draw.draw(st.floats(0, 2))
    elif action == "decay":
        group["weight_decay"] = draw.draw(st.floats(0, 0.5))
    else:
        for p in (p for g in optimizer.param_groups for p in g["params"]):
            p.grad = torch.ones_like(p) if "constant" in action else weight(p.shape, p.dtype, seed).detach()
            if action == "skip" and seed % 2:
                p.grad = None
        optimizer.step()
    return optimizer


@pytest.mark.filterwarnings("ignore:parameter group .* the decay multiplies")
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(optimizers(), DTYPES, st.lists(ACTIONS, min_size=3, max_size=12), st.data())
@pytest.mark.filterwarnings("ignore:parameter group .* is above the base learning rate")
def test_stays_finite_and_sound(
    made: tuple[str, dict[str, Any]],
    dtype: torch.dtype,
    actions: list[str],
    data: st.DataObject,
) -> None:
    name, flags = made
    rule = rule_of(OPTIMIZERS[name], **{**flags, "regularizer": None})
    weights = [weight(data.draw(shapes_of(rule)), dtype, 1), weight((3, 2), dtype, 2)]
    optimizer = getattr(halflife, name)(weights, **flags)
    for seed, action in enumerate(actions):
        optimizer = perform(action, optimizer, data, seed)
    for group in optimizer.param_groups:
        assert math.isfinite(float(group["lr"]))
        for p in group["params"]:
            assert p.isfinite().all()
            assert sound(optimizer, group, p)
