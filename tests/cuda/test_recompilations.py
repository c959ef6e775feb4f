"""Numbers never make another kernel: only words do, and the branches of a rule's clock."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
import torch

import halflife
from halflife import regularizers as rz
from tests.conformance.variants import VARIANTS, Variant

from .deferred import Deferred, compiled_by, needs_compiler
from .users import numbers

pytestmark = needs_compiler
SCHEDULERS = {
    "none": lambda optimizer: None,
    "step": lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5),
    "cosine": lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50),
    "one cycle": lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, 60, cycle_momentum=False),
}
BRANCHES = {"SGD-1": 2, "SGD-2": 2, "SGD-3": 2, "ASGD-1": 2, "RAdam-0": 2, "RAdam-1": 2}
"""The variants whose first step, or first few, are other lines: with momentum, before the average, unrectified."""


class Counted(Deferred):
    """Counts the kernels that it is asked for; nothing is compiled or computed."""

    name = "counted"

    def launch(self, kernel: Any, size: int, arguments: Any) -> None:
        self.launches.append((kernel, ()))

    def kernels(self) -> int:
        return len({text for text, _ in self.launches})


def settings_of(k: int, hyper: dict[str, Any]) -> dict[str, Any]:
    """The k-th of many settings of a group: every number another, none of them 0."""
    own: dict[str, Any] = {}
    for name, x in hyper.items():
        if isinstance(x, tuple):
            own[name] = tuple(v * (1 - 0.001 * k) for v in x)
        elif type(x) is float and x:
            own[name] = x * (1 - 0.001 * k)
    return {**own, "lr": 0.1 / (k + 1), "weight_decay": 0.3 + 0.01 * k}


@pytest.mark.parametrize("schedule", SCHEDULERS)
@pytest.mark.parametrize("variant", [v for v in VARIANTS if v.rule.acts_on == "coordinates"], ids=str)
def test_fifty_settings_of_a_rule_take_no_kernel_more(variant: Variant, schedule: str) -> None:
    counted = Counted()
    with compiled_by(counted):
        p = torch.nn.Parameter(numbers((40,), 0))
        optimizer = variant.optimizer([p], lr=0.1, weight_decay=0.3, engine="compiled")
        first = dict(optimizer.param_groups[0])
        scheduler: Any = SCHEDULERS[schedule](optimizer)
        names = ("betas", "eps", "alpha", "rho", "momentum", "dampening", "lambd", "lr_decay", "etas", "momentum_decay")
        hyper = {name: first[name] for name in names if name in first}
        for k in range(50):
            settings = settings_of(k, hyper)
            if scheduler is not None:
                settings.pop("lr")
            optimizer.param_groups[0].update(settings)
            p.grad = numbers((40,), k)
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
    assert len(counted.launches) == 50
    assert counted.kernels() == BRANCHES.get(str(variant), 1)


REGULARIZERS = {
    "elastic net": lambda k: rz.ElasticNet(0.3 + 0.01 * k),
    "huber": lambda k: rz.Huber(0.5 + 0.1 * k),
    "box": lambda k: rz.Box(-0.5 - k, 1 + k),
    "whole numbers": lambda k: rz.Box(-1 - k, 2 + k),
    "scaled": lambda k: rz.Scaled(1.0 + k, rz.L1()),
    "sum": lambda k: rz.Sum(rz.Scaled(0.5 + k, rz.L2()), rz.Scaled(0.2 + k, rz.L1()), rz.Box(-k - 1.0, k + 1.0)),
    "mask": lambda k: rz.OnSubset(rz.Huber(0.5 + 0.1 * k), numbers((40,), k) > 0),
}


@pytest.mark.parametrize("name", REGULARIZERS)
def test_a_regularizers_settings_are_numbers(name: str) -> None:
    counted = Counted()
    with compiled_by(counted):
        p = torch.nn.Parameter(numbers((40,), 0))
        made = REGULARIZERS[name]
        optimizer = halflife.AdamW([p], decay="proximal", weight_decay=0.3, regularizer=made(0), engine="compiled")
        for k in range(20):
            optimizer.param_groups[0]["regularizer"] = made(k)
            p.grad = numbers((40,), k)
            optimizer.step()
    assert len(counted.launches) == 20
    assert counted.kernels() == 1


def test_whole_numbers_are_numbers_too() -> None:
    counted = Counted()
    with compiled_by(counted):
        p = torch.nn.Parameter(numbers((40,), 0))
        optimizer = halflife.AdamW([p], lr=1, weight_decay=1, engine="compiled")
        for k in range(6):
            optimizer.param_groups[0].update(lr=1 + k, weight_decay=2 + k, eps=k + 1)
            p.grad = numbers((40,), k)
            optimizer.step()
    assert counted.kernels() == 1


def test_many_groups_are_one_launch() -> None:
    counted = Counted()
    with compiled_by(counted):
        params = [torch.nn.Parameter(numbers((n,), n)) for n in range(1, 21)]
        groups = [{"params": [p], "lr": 0.1 / (k + 1), "betas": (0.9, 0.9 + 0.001 * k)} for k, p in enumerate(params)]
        optimizer = halflife.AdamW(groups, engine="compiled")
        for t in range(4):
            for p in params[t:]:
                p.grad = numbers(p.shape, t)
            optimizer.step()
    assert counted.kernels() == 1
    assert len(counted.launches) == 4


def test_words_are_another_kernel() -> None:
    """So that the counts above can differ at all."""
    counted = Counted()
    with compiled_by(counted):
        for settings in (
            {},
            {"decay": "coupled"},
            {"amsgrad": True},
            {"regularizer": rz.Huber()},
            {"weight_decay": 0.0},
        ):
            p = torch.nn.Parameter(numbers((40,), 0))
            optimizer = halflife.AdamW([p], engine="compiled", **settings)
            p.grad = numbers((40,), 1)
            optimizer.step()
    assert counted.kernels() == 5
    assert len(list(chain(counted.launches))) == 5
