"""A step of shards beside the same step in one process, in float64, of gradients that are written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

import halflife
from halflife import regularizers as rz
from halflife import rules
from tests.sharded.launch import case
from tests.sharded.models import assert_copies_agree, assert_near, model, put_gradients, shard, step_both, whole

Params = list[Tensor]
STRONG = {"lr": 0.05, "weight_decay": 0.5}


def matrices(params: Params) -> Params:
    return [p for p in params if p.dim() == 2]


def masked(params: Params) -> list[dict[str, Any]]:
    """Each parameter under a mask of its own, one of them a mask that broadcasts."""
    masks = [torch.arange(p.numel()).reshape(p.shape) % 3 != 1 for p in params]
    masks[0] = masks[0][:1]
    return [{"params": [p], "regularizer": rz.OnSubset(rz.L1(), m)} for p, m in zip(params, masks, strict=True)]


OPTIMIZERS: dict[str, Callable[[Params], Any]] = {
    "AdamW": lambda ps: halflife.AdamW(ps, **STRONG),
    "SGD": lambda ps: halflife.SGD(ps, momentum=0.9, **STRONG),
    "SGD coupled, without momentum": lambda ps: halflife.SGD(ps, decay="coupled", **STRONG),
    "AdamW, the paper's": lambda ps: halflife.AdamW(ps, lr=0.05, weight_decay=0.02, decay="independent"),
    "cautious": lambda ps: halflife.AdamW(ps, decay="cautious", **STRONG),
    "Lion": lambda ps: halflife.Lion(ps, **STRONG),
    "ProxAdam + L1": lambda ps: halflife.ProxAdam(ps, lr=0.05, weight_decay=0.02, regularizer=rz.L1()),
    "euclidean L1": lambda ps: halflife.Adam(ps, decay="euclidean", regularizer=rz.L1(), **STRONG),
    "TowardInit": lambda ps: halflife.AdamW(ps, regularizer=rz.TowardInit(), **STRONG),
    "OnSubset": lambda ps: halflife.AdamW(masked(ps), decay="proximal", lr=0.05, weight_decay=0.05),
    "bounds beside L1": lambda ps: halflife.AdamW(
        ps, decay="proximal", lr=0.05, weight_decay=0.05, regularizer=rz.Sum(rz.L1(), rz.Box(-0.5, 1.0))
    ),
    "GroupLasso of rows": lambda ps: halflife.AdamW(
        matrices(ps), decay="proximal", regularizer=rz.GroupLasso(dim=1), lr=0.05, weight_decay=0.05
    ),
    "GroupLasso of columns": lambda ps: halflife.AdamW(
        matrices(ps), decay="proximal", regularizer=rz.GroupLasso(dim=0), lr=0.05, weight_decay=0.05
    ),
    "euclidean GroupLasso of rows": lambda ps: halflife.Adam(
        matrices(ps), decay="euclidean", regularizer=rz.GroupLasso(dim=1), **STRONG
    ),
    "euclidean GroupLasso of columns": lambda ps: halflife.Adam(
        matrices(ps), decay="euclidean", regularizer=rz.GroupLasso(dim=0), **STRONG
    ),
    "clipped": lambda ps: halflife.AdamW(ps, max_grad_norm=0.7, **STRONG),
    "foreach": lambda ps: halflife.AdamW(ps, engine="foreach", **STRONG),
    "eager": lambda ps: halflife.AdamW(ps, engine="eager", **STRONG),
    "an average of the weights": lambda ps: halflife.AdamW(ps, ema_decay=0.5, **STRONG),
    "amsgrad": lambda ps: halflife.Adam(ps, amsgrad=True, **STRONG),
    "RAdam": lambda ps: halflife.RAdam(ps, **STRONG),
    "Muon": lambda ps: halflife.Muon(matrices(ps), ns_precision="float64", **STRONG),
    "Muon, proximal, in stacks": lambda ps: halflife.Muon(
        matrices(ps), ns_precision="float64", engine="foreach", decay="proximal", regularizer=rz.L1(), **STRONG
    ),
    "Muon + Adam": lambda ps: halflife.AdamW(
        [
            {"params": matrices(ps), "rule": "Muon", "ns_precision": "float64"},
            {"params": [p for p in ps if p.dim() != 2]},
        ],
        max_grad_norm=0.7,
        **STRONG,
    ),
    "Sphere": lambda ps: halflife.AdamW(
        matrices(ps), decay="proximal", regularizer=rz.Sphere(), lr=0.05, weight_decay=0.0
    ),
    "Sphere of rows": lambda ps: halflife.AdamW(
        matrices(ps), decay="proximal", regularizer=rz.Sphere(dim=1), lr=0.05, weight_decay=0.0
    ),
    "Hyperball": lambda ps: halflife.AdamW(
        matrices(ps), decay="proximal", regularizer=rz.Sphere(), direction="normalized", lr=0.05, weight_decay=0.0
    ),
    "Adafactor": lambda ps: halflife.Adafactor(ps, **STRONG),
}


def run_beside(make: Callable[[Params], Any], way: str) -> None:
    """Some steps of the whole model and of the sharded one; weights, states and averages end alike."""
    one, many = model(), shard(model(), way)
    before = [whole(p).clone() for p in one.parameters()]
    ours, theirs = list(many.parameters()), list(one.parameters())
    a, b = make(theirs), make(ours)
    step_both(a, theirs, b, ours)
    stepped = {id(p) for group in a.param_groups for p in group["params"]}
    for p, q, w in zip(theirs, ours, before, strict=True):
        assert_near(q, p)
        assert_copies_agree(q)
        if id(p) in stepped:
            assert float((whole(p) - w).abs().max()) > 1e-10
            assert {*a.state[p]} == {*b.state[q]}
            for name, x in a.state[p].items():
                assert_near(b.state[q][name], x)


@case(2, way=["fsdp", "columns", "tp"], optimizer=OPTIMIZERS)
def two_step_as_one(way: str, optimizer: str) -> None:
    run_beside(OPTIMIZERS[optimizer], way)


@case(4, way=["fsdp", "hsdp", "2d"], optimizer=OPTIMIZERS)
def four_step_as_one(way: str, optimizer: str) -> None:
    run_beside(OPTIMIZERS[optimizer], way)


def _later(optimizer: Any, params: Params, t: int) -> None:
    """What a user does to an optimizer between its steps."""
    group = optimizer.param_groups[0]
    if t == 1:
        group["ema_decay"] = 0.5
    elif t == 2:
        group["regularizer"] = rz.TowardInit()
        optimizer.state[params[1]]["exp_avg"].mul_(0.5)
    elif t == 3:
        del optimizer.state[params[0]]
        optimizer.state[params[2]] = {name: x.clone() for name, x in optimizer.state[params[2]].items()}
    elif t == 4:
        optimizer.add_param_group({"params": [group["params"].pop()], "lr": 0.01})


@case(2, way=["fsdp", "columns", "tp"])
def what_a_user_changes_between_steps(way: str) -> None:
    one, many = model(), shard(model(), way)
    theirs, ours = list(one.parameters()), list(many.parameters())
    a, b = (halflife.AdamW(ps, **STRONG) for ps in (list(theirs), list(ours)))
    for t in range(6):
        for optimizer, params in ((a, theirs), (b, ours)):
            _later(optimizer, params, t)
            put_gradients(params, t)
            optimizer.step()
    for p, q in zip(theirs, ours, strict=True):
        assert_near(q, p)
        assert {*a.state[p]} == {*b.state[q]}
        for name, x in a.state[p].items():
            assert_near(b.state[q][name], x)


@case(2)
def a_parameter_that_moves_to_other_memory() -> None:
    """As ``load_state_dict(assign=True)`` and ``to_empty`` leave it: it is stepped where it is now."""
    one, many = model(), shard(model(), "columns")
    theirs, ours = list(one.parameters()), list(many.parameters())
    a, b = (halflife.AdamW(ps, **STRONG) for ps in (theirs, ours))
    for t in range(4):
        put_gradients(theirs, t)
        put_gradients(ours, t)
        a.step()
        b.step()
        for q in ours:
            q.data = q.detach().clone()
    for p, q in zip(theirs, ours, strict=True):
        assert_near(q, p)


@case(2, way=["fsdp", "columns", "tp"])
def decay_moves_the_weights_far(way: str) -> None:
    """The same steps with and without decay differ by far more than any tolerance here."""
    ends: list[list[Tensor]] = []
    for lam in (0.0, 0.5):
        net = shard(model(), way)
        params = list(net.parameters())
        optimizer = halflife.AdamW(params, lr=0.05, weight_decay=lam)
        for t in range(4):
            put_gradients(params, t)
            optimizer.step()
        ends.append([whole(p) for p in params])
    for p, q in zip(*ends, strict=True):
        assert float((p - q).abs().max()) > 1e-3 * float(p.abs().max())


@dataclass(frozen=True)
class Normalized(rules.Rule):
    """A rule that acts on whole tensors: ``m = m/2 + g``, ``u = m/‖m‖``; the metric is 1."""

    metric = "identity"

    @property
    def states(self) -> Any:
        return (rules.StateSpec("m"),)

    def start(self, w: Tensor, lr: Any) -> Any:
        return {"m": torch.zeros_like(w)}

    def __call__(self, t: Any, w: Tensor, g: Tensor, s: Any) -> Any:
        m = s["m"] * 0.5 + g
        return m / torch.linalg.vector_norm(m), 1.0, {"m": m}


class NormalizedSGD(halflife.Optimizer, rule=Normalized, lr=0.05, decay="decoupled"):
    """The optimizer of that rule."""


@case(2, way=["fsdp", "tp"])
def a_rule_that_acts_on_whole_tensors(way: str) -> None:
    run_beside(lambda ps: NormalizedSGD(ps, **STRONG), way)


@case(4, way=["hsdp", "2d"])
def a_rule_that_acts_on_whole_tensors_of_four(way: str) -> None:
    run_beside(lambda ps: NormalizedSGD(ps, **STRONG), way)


@case(2, cut=("fsdp", "columns"))
def autograd_sees_that_the_weights_have_moved(cut: str) -> None:
    """As after torch's step: what was computed from them before cannot be differentiated any more."""
    net = shard(model(), cut)
    weight = next(net.parameters())
    optimizer = halflife.AdamW(net.parameters(), lr=0.1)
    put_gradients(net.parameters(), 0)
    loss = (weight * weight).sum()
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
