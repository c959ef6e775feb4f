"""bfloat16 and half parameters: computed in float32, rounded once a step, by the rule that was asked for."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import torch

import halflife
from halflife.engines.formats import dither, dithered, seed_of

from .users import each_engine, each_setting, flat, gradients, ours, same_states, states, train, weights

HALVES = [torch.bfloat16, torch.float16]
each_half = pytest.mark.parametrize("dtype", HALVES, ids=str)
quiet = pytest.mark.filterwarnings("ignore:parameter group .* the decay multiplies")


def lr_of(name: str) -> float:
    """A number that half precision holds: Rprop's first state is made of it."""
    return 2.0**-6 if name != "Adadelta" else 1.0


@quiet
@each_setting
@each_engine
@each_half
@pytest.mark.parametrize("state_dtype", [None, torch.float32], ids=str)
def test_float32_with_one_rounding_at_the_end(
    name: str, flags: dict[str, Any], engine: Any, dtype: torch.dtype, state_dtype: Any
) -> None:
    low, high = weights(dtype, name), [p.detach().float().requires_grad_() for p in weights(dtype, name)]
    settings = {**flags, "lr": lr_of(name), "weight_decay": 0.1}
    if isinstance(ours(name)(low).defaults.get("eps"), float):
        settings["eps"] = 1e-3  # half's smallest number is 6e-8
    found = ours(name)(low, **settings, **engine, state_dtype=state_dtype)
    reference = ours(name)(high, **settings, **engine)
    rule = reference.view(reference.param_groups[0]).rule
    means = [state.name for state in rule.states if state.shape in ("rows", "columns")]  # kept in float32
    for k in range(6):
        train(found, 1, k)
        train(reference, 1, k)
        for p, state in zip(high, states(reference), strict=True):
            p.data.copy_(p.to(dtype))
            for key, x in state.items():
                if key not in ("step", "eta", "mu", "mu_product", *means) and state_dtype is None:
                    x.copy_(x.to(dtype))
        assert torch.equal(flat(low), flat(high))


@quiet
@each_setting
@each_half
@pytest.mark.parametrize("rounding", ["stochastic", "kahan"])
def test_foreach_is_eager(name: str, flags: dict[str, Any], dtype: torch.dtype, rounding: str) -> None:
    made = [
        ours(name)(weights(dtype, name), lr=lr_of(name), **flags, engine=engine, rounding=rounding, ema_decay=0.9)
        for engine in ("eager", "foreach", "eager")
    ]
    runs = [train(optimizer, 5) for optimizer in made]
    assert torch.equal(runs[0], runs[1])
    assert torch.equal(runs[0], runs[2]), "the same again"
    assert same_states(made[0], made[1])
    assert all(("kahan" in state) == (rounding == "kahan") for state in states(made[0]))
    assert all(("step" in state) for state in states(made[0])) or rounding == "kahan"
    assert not torch.equal(runs[0], train(ours(name)(weights(dtype, name), lr=lr_of(name), **flags), 5))


@each_setting
@each_engine
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("rounding", ["stochastic", "kahan"])
def test_wide_parameters_do_not_round(name: str, flags: Any, engine: Any, dtype: torch.dtype, rounding: str) -> None:
    plain, rounded = (ours(name)(weights(dtype, name), **flags, **engine, **r) for r in ({}, {"rounding": rounding}))
    assert torch.equal(train(plain, 3), train(rounded, 3))
    assert same_states(plain, rounded)


@each_engine
@each_half
def test_stochastic_rounding_is_right_on_average(engine: Any, dtype: torch.dtype) -> None:
    """200 steps of a 50th of a unit: rounded to nearest they would lead nowhere."""
    n, unit = 20_000, torch.finfo(dtype).eps
    params = [torch.ones(n, dtype=dtype), torch.ones(n, dtype=dtype)]
    optimizer = halflife.SGD([{"params": params[:1], "rounding": "stochastic"}, {"params": params[1:]}], lr=unit / 50)
    optimizer.param_groups[0].update(engine)
    for _ in range(200):
        for p in params:
            p.grad = -torch.ones_like(p)
        optimizer.step()
    error = params[0].double().mean() - (1 + 4 * unit)
    assert abs(error) < 4 * unit * math.sqrt(4 / n)
    assert params[0].unique().numel() > 4
    assert (params[1] == 1).all()


@each_half
def test_stochastic_rounding_by_hand(dtype: torch.dtype) -> None:
    (p,) = params = weights(dtype)[:1]
    w, optimizer = p.detach().clone(), halflife.SGD(params, lr=0.01, rounding="stochastic")
    for t in (1, 2, 3):
        p.grad = gradients(params, t)[0].to(dtype)
        optimizer.step()
        exact = w.float().add(p.grad.float(), alpha=-0.01)
        w = dithered(exact, dtype, dither(w.numel(), seed_of(t, 7)))
        assert torch.equal(p, w)
        assert optimizer.state[p]["step"] == t


@each_engine
@each_half
@pytest.mark.parametrize("name", ["SGD", "AdamW", "Lion"])
def test_kahan_follows_float32(name: str, engine: Any, dtype: torch.dtype) -> None:
    """A thousand steps, each far below half a unit, under a decay that rounding to nearest would lose."""
    runs = []
    for form, rounding in ((torch.float32, "nearest"), (dtype, "kahan"), (dtype, "nearest")):
        params = [p.detach().to(form).requires_grad_() for p in weights(dtype, name)]
        settings = {"lr": 1e-5, "weight_decay": 10.0, "decay": "decoupled", "state_dtype": torch.float32}
        optimizer = ours(name)(params, **settings, rounding=rounding, **engine)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            runs.append(train(optimizer, 1000))
    unit = torch.finfo(dtype).eps * runs[0].abs().clamp(min=2.0**-14)
    assert ((runs[1] - runs[0]).abs() <= unit).all()
    assert ((runs[0] - flat(weights(dtype, name))).abs() > unit).float().mean() > 0.8
    if dtype is torch.bfloat16:
        assert ((runs[2] - runs[0]).abs() > unit).float().mean() > 0.8


def test_kahan_by_hand_and_after_an_overflow() -> None:
    p = torch.tensor([1.0, -3.0, 3.3e38], dtype=torch.bfloat16)
    optimizer, c = halflife.SGD([p], lr=1e-3, rounding="kahan"), torch.zeros(3)
    for k in range(4):
        before = p.clone()
        p.grad = torch.tensor([1.0, 0.7, -3e41 if k == 0 else 0.0]).to(torch.bfloat16)
        optimizer.step()
        w = (before.float() + c).add(p.grad.float(), alpha=-1e-3)
        assert torch.equal(p, w.to(torch.bfloat16))
        c = (w - p.float()).to(torch.bfloat16).float().nan_to_num(0, 0, 0)
        assert torch.equal(optimizer.state[p]["kahan"].float(), c)
        assert optimizer.state[p]["kahan"].dtype is torch.bfloat16
    assert p[2].isinf()


def warned(**settings: Any) -> list[str]:
    """What is said in three steps of two groups, the second on another learning rate."""
    params = [p.detach() for p in weights(settings.pop("dtype", torch.bfloat16))[:2]]
    optimizer = halflife.AdamW([{"params": params[:1], "lr": 1.0}, {"params": params[1:]}], **settings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for k in range(3):
            optimizer.param_groups[1]["lr"] = 1e-3 / (k + 1)
            train(optimizer, 1, k)
    return [str(w.message) for w in caught if "decay" in str(w.message)]


def test_a_decay_that_rounds_away_is_said_once() -> None:
    (message,) = warned(weight_decay=0.01)
    assert "parameter group 1" in message
    assert "0.99999" in message
    assert "rounding='kahan'" in message


@pytest.mark.parametrize(
    "settings",
    [
        {"weight_decay": 0},
        {"rounding": "kahan"},
        {"rounding": "stochastic"},
        {"dtype": torch.float32},
        {"decay": "coupled", "weight_decay": 0.01},
        {"weight_decay": 30.0},
        {"decay": "independent", "weight_decay": 10.0},
        {"decay": "euclidean", "weight_decay": 0.01},
    ],
    ids=str,
)
def test_nothing_is_said_where_nothing_is_lost(settings: dict[str, Any]) -> None:
    assert warned(**settings) == []


def test_the_factor_that_is_lost_is_at_the_threshold() -> None:
    """Just below 2⁻⁹ no weight in bfloat16 moves; at twice that some do."""
    w = torch.arange(1, 2, 2**-7).to(torch.bfloat16)
    for τ, moves in ((0.99 * 2**-9, False), (2 * 2**-9, True)):
        for decay in ("independent", "proximal"):
            p = w.clone()
            p.grad = torch.zeros_like(p)
            optimizer = halflife.SGD([p], lr=0.1, weight_decay=τ, decay=decay)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                optimizer.step()
            assert bool((p != w).any()) == moves
            assert len(caught) == (not moves)
            assert all(w.filename == __file__ for w in caught)


@pytest.mark.parametrize("name", ["SGD", "AdamW", "Lion", "Adafactor", "Muon"])
def test_a_wrong_rounding_is_answered_with_the_right_ones(name: str) -> None:
    with pytest.raises(ValueError, match="'nearest', 'stochastic', 'kahan'"):
        ours(name)(weights(name=name), rounding="up")
    with pytest.raises(ValueError, match="differentiable=True"):
        ours(name)(weights(name=name), rounding="kahan", differentiable=True)
