"""Rules, regularizers and classes of one's own."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import pytest
import torch

import halflife
from halflife import regularizers as rz

from .users import (
    ENGINES,
    apart,
    each,
    flat,
    ours,
    train,
    weights,
)

pytestmark = pytest.mark.usefixtures("double_precision")


@each
def test_a_user_may_subclass(name: str) -> None:
    class Mine(ours(name)):
        def __init__(self, params: Any, strength: float = 0.1):
            super().__init__(params, lr=0.05, weight_decay=strength)
            self.strength = strength

        def step(self, closure: Any = None) -> Any:
            self.strength += 1
            return super().step(closure)

    optimizer = Mine(weights(), strength=0.2)
    plain = ours(name)(weights(), lr=0.05, weight_decay=0.2)
    assert apart(train(optimizer, 3), train(plain, 3)) == 0
    assert optimizer.strength == 3.2
    assert list(inspect.signature(Mine).parameters) == ["params", "strength"]
    assert repr(optimizer).startswith("Mine (")


def test_a_preset_of_ones_own_and_a_mistake_in_one() -> None:
    class Strong(halflife.AdamW, weight_decay=0.5, lr=0.1):
        pass

    assert Strong(weights()).defaults["weight_decay"] == 0.5
    assert apart(train(Strong(weights())), train(halflife.AdamW(weights(), lr=0.1, weight_decay=0.5))) == 0
    with pytest.raises(TypeError, match="sets momentum"):
        type("Wrong", (halflife.AdamW,), {}, momentum=0.9)


@each
def test_a_regularizer_of_ones_own(name: str) -> None:
    """It may use any function of tensors: the default engine has to be one that can."""

    class LogCosh(rz.Regularizer):
        has_grad, has_prox = True, False

        def value(self, w: torch.Tensor) -> torch.Tensor:
            return w.cosh().log().sum()

        def grad(self, w: torch.Tensor) -> torch.Tensor:
            return torch.tanh(w)

        def prox(self, y: torch.Tensor, tau: Any) -> torch.Tensor:
            raise NotImplementedError

    runs = [
        train(ours(name)(weights(), lr=0.1, weight_decay=0.3, decay="decoupled", regularizer=LogCosh(), **flags))
        for flags in ({}, {"engine": "eager"}, {"engine": "foreach"})
    ]
    assert apart(runs[0], runs[1]) <= 1e-12
    assert apart(runs[2], runs[1]) <= 1e-12


@pytest.mark.parametrize("flags", [{}, *ENGINES], ids=str)
def test_a_rule_of_ones_own(flags: dict[str, bool]) -> None:
    """It may use any function of tensors too."""

    @dataclass(frozen=True)
    class Squash(halflife.rules.Rule):
        gain: float = 2.0

        def __call__(self, t: Any, w: Any, g: Any, s: Any) -> Any:
            return torch.tanh(self.gain * g), 1.0, {}

    class Squashed(halflife.Optimizer, rule=Squash, lr=0.1):
        pass

    optimizer = Squashed(weights(), gain=3.0, **flags)
    moved = flat(weights()) - train(optimizer, 1)
    assert apart(moved, 0.1 * torch.tanh(3.0 * flat([p.grad for p in optimizer.param_groups[0]["params"]]))) <= 1e-14
