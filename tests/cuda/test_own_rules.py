"""Rules and regularizers of a user's own: what can be written as lines is, and all else trains as it did."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

import halflife
from halflife.regularizers import L2, OnSubset, Regularizer, Scaled, Sum
from halflife.rules import Rule, Scalar, State, StateSpec

from .deferred import needs_compiler
from .users import engine_of, numbers, reason_of, same, train, weights

pytestmark = needs_compiler
SHAPES = (3, 4), (257,), ()


@pytest.fixture(autouse=True)
def double_precision():
    """Single numbers are kept in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def pair(rule: type[Rule], *, shapes: Any = SHAPES, change: Any = None, **settings: Any) -> tuple[Any, Any]:
    """The rule's optimizer after some steps as compiled, and as eager does them."""
    kind: Any = type("Own", (halflife.Optimizer,), {}, rule=rule)
    settings = {"lr": 0.1, "weight_decay": 0.3, **settings}
    made = [kind(weights(*shapes), engine=engine, **settings) for engine in ("compiled", "eager")]
    return tuple(train(optimizer, change=change) for optimizer in made)  # type: ignore[return-value]


@dataclass(frozen=True)
class Squashed(Rule):
    """Whole numbers and words among its settings, a state for all coordinates, comparisons, and torch's functions."""

    power: Scalar = 2
    bounds: tuple[Scalar, Scalar] = (1, 4)
    shape: str = "tanh"

    acts_on = "coordinates"

    @property
    def states(self):
        return StateSpec("m"), StateSpec("peak", sign="never negative"), StateSpec("heat", "scalar")

    def tick(self, t, s):
        return {"heat": 0.5 * s["heat"] + t / self.power}

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor, State]:
        m = s["m"] + (g - s["m"]) / (1 + s["heat"])
        peak = torch.maximum(s["peak"], g.abs() ** self.power)
        calm = (m * g > 0) & ~(peak > self.bounds[1]) | (w == 0)
        u = torch.where(calm, torch.tanh(m) if self.shape == "tanh" else m, torch.minimum(m, 2 * g - 1))
        D = torch.clamp(peak.sqrt() + 1e-3, self.bounds[0] / 10, self.bounds[1])
        return u / D, D, {"m": m, "peak": peak}

    def finish(self, lr, t, w, s):
        return {"heat": s["heat"] * 0.9 + lr}


@dataclass(frozen=True)
class Welsch(Regularizer):
    """Its settings are whole numbers as often as not; ``center`` is one number a coordinate, or one for all."""

    width: float = 1
    center: Any = 0

    has_grad = True
    has_prox = False

    def value(self, w):
        return (1 - (-(((w - self.center) / self.width) ** 2)).exp()).sum()

    def grad(self, w):
        d = (w - self.center) / self.width
        return 2 * d * (-(d * d)).exp() / self.width

    def prox(self, y, tau):
        raise NotImplementedError


@pytest.mark.parametrize("decay", ["coupled", "decoupled", "cautious", "corrected", "euclidean"])
@pytest.mark.parametrize("shape", ["tanh", "straight"])
def test_a_rule_of_ones_own_is_compiled(decay: str, shape: str) -> None:
    regularizer = L2() if decay == "euclidean" else Sum(Welsch(2), Scaled(0.5, L2()))
    compiled, eager = pair(Squashed, shape=shape, decay=decay, regularizer=regularizer)
    assert (engine_of(compiled), engine_of(eager)) == ("compiled", "eager")
    same(compiled, eager)
    heat = 0.0
    for t in range(8):
        heat = (0.5 * heat + (t + 1) / 2) * 0.9 + 0.1 * 0.8**t
    assert [state["heat"].item() for state in compiled.state.values()] == [pytest.approx(heat)] * 3


def test_a_regularizers_tensor_is_read_where_it_lies_now() -> None:
    """Replaced, moved, written into, and given back its place among what was freed."""

    def change(optimizer: Any, t: int) -> None:
        group = optimizer.param_groups[0]
        if t == 3:
            group["regularizer"] = Sum(Welsch(2.0, numbers((3, 4), 7)), L2())
        if t == 4:
            group["regularizer"].parts[0].center.mul_(-3)
        if t == 5:
            center = group["regularizer"].parts[0].center
            center.data = center.data.flip(0)
        if t == 6:
            group["regularizer"] = Sum(L2(), Welsch(2, numbers((3, 4), 8)))
        if t == 7:
            group["regularizer"] = Sum(L2(), Welsch(2, 0.7))
        others = [torch.ones(12) for _ in range(50)]
        others.clear()

    first = Sum(Welsch(2.0, numbers((3, 4), 6)), L2())
    compiled, eager = pair(Squashed, shapes=[(3, 4)], regularizer=first, decay="decoupled", change=change)
    assert engine_of(compiled) == "compiled"
    same(compiled, eager)


@pytest.mark.parametrize("kind", [torch.int64, torch.uint8, torch.float32], ids=str)
def test_a_regularizers_tensor_may_be_of_any_kind(kind: torch.dtype) -> None:
    center = numbers((3, 4), 6).abs().to(kind)
    settings = {"shapes": [(3, 4)], "regularizer": OnSubset(Welsch(2, center), center > 0), "decay": "decoupled"}
    compiled, eager = pair(Squashed, **settings)
    assert engine_of(compiled) == ("compiled" if kind is torch.float32 else "eager")
    same(compiled, eager)


def rule_of(
    f: Callable[..., Any], names: tuple[str, ...] = ("m",), begins: Any = "before the first step", **declared: Any
) -> type[Rule]:
    """A rule whose call is ``f(t, g, s)``, which gives the direction and the new states."""

    class Made(Rule):
        acts_on = "coordinates"
        metric = "identity"

        @property
        def states(self):
            return tuple(StateSpec(name, begins=begins) for name in names)

        def __call__(self, t, w, g, s):
            u, new = f(t, g, s)
            return u, 1.0, new

    for name, x in declared.items():
        setattr(Made, name, x)
    return dataclass(frozen=True)(Made)


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "a norm": (lambda t, g, s: (g / g.norm(), {}), "no 'norm'"),
    "a sum": (lambda t, g, s: (g / torch.sum(g * g), {}), "'sum'"),
    "its shape": (lambda t, g, s: (g / g.numel(), {}), "no 'numel'"),
    "a remainder": (lambda t, g, s: (g % 2, {}), "%"),
    "an entry": (lambda t, g, s: (g if g.dim() == 0 else g * g.flatten()[0], {}), "no 'dim'"),
    "an index": (lambda t, g, s: (g[...], {}), "subscriptable"),
    "a stack": (lambda t, g, s: (torch.stack([g, g]).mean(0), {}), "stack"),
    "its length": (lambda t, g, s: (g + len(g.shape), {}), "no 'shape'"),
    "a branch": (lambda t, g, s: (g * (1.0 if (g > 0).all() else 2.0), {}), "no 'all'"),
    "words in place": (lambda t, g, s: (g.clone().mul_(2.0), {}), "no 'clone'"),
    "named": (lambda t, g, s: (torch.where(condition=g > 0, input=g, other=-g), {}), "where"),
    "a floor": (lambda t, g, s: (torch.div(g, 0.3, rounding_mode="floor"), {}), "div"),
    "another dtype": (lambda t, g, s: (g * torch.full_like(g, 0.5, dtype=torch.float64), {}), "dtype"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_down_is_refused_in_words_and_trains(name: str) -> None:
    f, words = REFUSED[name]
    compiled, eager = pair(rule_of(f, ()), shapes=[(3, 4)], decay="decoupled")
    assert engine_of(compiled) in ("foreach", "eager")
    assert "not compiled: " in reason_of(compiled)
    assert words in reason_of(compiled)
    assert reason_of(compiled) in repr(compiled)
    same(compiled, eager)


def test_a_rule_that_acts_on_tensors_is_not_tried() -> None:
    whole = rule_of(lambda t, g, s: (g / g.norm(), {}), (), acts_on="tensors")
    compiled, eager = pair(whole, decay="decoupled")
    assert "not compiled: the rule Made acts on whole tensors" in reason_of(compiled)
    same(compiled, eager)


STATES: dict[str, Callable[..., Any]] = {
    "a number, then a state": lambda t, g, s: (g * (0.5 if t < 4 else s["m"]), {"m": s["m"] + g}),
    "a state, then a number": lambda t, g, s: (g * (s["m"] if t < 4 else 0.5), {"m": s["m"] + g}),
    "a whole number, then a number": lambda t, g, s: (g * (2 if t < 4 else 2.0), {"m": g * (t + 0.5)}),
    "one number, then two": lambda t, g, s: (g if t < 4 else 0.5 * g, {"m": s["m"] + g}),
    "two lines, then one": lambda t, g, s: (g * s["m"] if t < 4 else g, {"m": s["m"] + g}),
    "another state of the same lines": lambda t, g, s: (g, {"m": s["m"] if t < 4 else g}),
    "a state from time to time": lambda t, g, s: (g + s["m"], {"m": g} if t % 3 == 0 else {}),
    "the other way round": lambda t, g, s: (g - s["m"] if t < 4 else s["m"] - g, {"m": s["m"] + g}),
    "a state that is a number": lambda t, g, s: (g + s["m"], {"m": torch.full_like(g, 0.1 * t)}),
    "a state that is the gradient": lambda t, g, s: (g + s["m"], {"m": g}),
    "nothing after a while": lambda t, g, s: (g * 0 if t > 4 else g, {"m": s["m"]}),
}


@pytest.mark.parametrize("name", STATES)
def test_branches_of_the_clock_are_followed(name: str) -> None:
    compiled, eager = pair(rule_of(STATES[name]), decay="decoupled")
    assert engine_of(compiled) == "compiled"
    same(compiled, eager)


def test_a_state_begins_when_it_is_first_given() -> None:
    late = rule_of(
        lambda t, g, s: (g + s["m"] if "m" in s else 3 * g, {"m": g} if t > 3 else {}), begins="with the first gradient"
    )
    compiled, eager = pair(late, decay="decoupled")
    same(compiled, eager)


def test_two_states_may_change_places() -> None:
    swapping = rule_of(lambda t, g, s: (s["a"] + g, {"a": s["b"] + 0.5, "b": s["a"]}), ("a", "b"))
    kind: Any = type("Own", (halflife.Optimizer,), {}, rule=swapping)
    optimizer = train(kind(weights((3, 4)), lr=0.1, weight_decay=0.0, decay="decoupled", engine="compiled"), 3)
    assert engine_of(optimizer) == "compiled"
    [state] = optimizer.state.values()
    assert (state["a"] == 1.0).all()
    assert (state["b"] == 0.5).all()


def test_a_step_that_cannot_be_written_down_any_more_is_taken_by_another_engine() -> None:
    def f(t, g, s):
        return (g / g.norm() if t > 4 else g * 0.5), {"m": s["m"] + g}

    compiled, eager = pair(rule_of(f), decay="decoupled")
    assert "no 'norm'" in reason_of(compiled)
    same(compiled, eager)


def test_a_scalar_for_each_coordinate_is_no_scalar() -> None:
    class Wrong(Squashed):
        def finish(self, lr, t, w, s):
            return {"heat": w}

    for engine in ("compiled", "eager"):
        optimizer: Any = type("Own", (halflife.Optimizer,), {}, rule=Wrong)(weights((3, 4)), lr=0.1, engine=engine)
        with pytest.raises(RuntimeError, match="output with shape"):
            train(optimizer, 1)


def test_an_error_of_the_rules_own_is_its_own() -> None:
    def f(t, g, s):
        return g * math.log(3 - t), {}

    for engine in ("compiled", "eager"):
        optimizer: Any = type("Own", (halflife.Optimizer,), {}, rule=rule_of(f, ()))(
            weights((3, 4)), lr=0.1, engine=engine
        )
        with pytest.raises(ValueError, match=r"math domain error|positive"):
            train(optimizer, 4)


def test_numbers_that_want_gradients_are_numbers() -> None:
    eps = torch.tensor(1e-3, requires_grad=True)
    made = [
        train(halflife.AdamW(weights(*SHAPES), lr=0.1, betas=(0.8, 0.9), eps=eps, engine=engine))
        for engine in ("compiled", "eager")
    ]
    assert engine_of(made[0]) == "compiled"
    same(*made)
