"""States in fewer bits: their memory, their numbers, and that no average freezes."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch

import halflife
from halflife.engines.formats import decode_8bit, dither, encode_8bit, seed_of, turned

from .users import (
    NARROW,
    each_engine,
    each_format,
    each_setting,
    flat,
    gradients,
    ours,
    same_states,
    states,
    train,
    weights,
)

CLOCKS = ("step", "eta", "mu", "mu_product")


def memory(optimizer: torch.optim.Optimizer, p: torch.Tensor) -> int:
    return sum(x.numel() * x.element_size() for x in optimizer.state[p].values() if x.dim())


@pytest.mark.parametrize(
    ("dtype", "state_dtype", "expected"),
    [
        (torch.float32, None, 8),
        (torch.float32, torch.float32, 8),
        (torch.bfloat16, None, 4),
        (torch.bfloat16, torch.float32, 8),
        (torch.float32, torch.bfloat16, 4),
        (torch.bfloat16, "8bit", 2 + 2 / 64),
        (torch.float32, "8bit", 2 + 2 / 64),
    ],
    ids=str,
)
@each_engine
def test_bytes_a_parameter(dtype: torch.dtype, state_dtype: Any, expected: float, engine: Any) -> None:
    p = torch.zeros(64, 1024, dtype=dtype)
    optimizer = halflife.Adam([p], state_dtype=state_dtype, **engine)
    for _ in range(2):
        p.grad = torch.ones_like(p)
        optimizer.step()
        assert memory(optimizer, p) / p.numel() == pytest.approx(expected)


@each_setting
@each_format
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_form_and_foreach_as_eager(name: str, flags: Any, state_dtype: Any, dtype: torch.dtype) -> None:
    made = [
        ours(name)(weights(dtype, name), **flags, engine=engine, state_dtype=state_dtype, weight_decay=0)
        for engine in ("eager", "foreach")
    ]
    runs = [train(optimizer, 5) for optimizer in made]
    assert torch.equal(*runs)
    assert same_states(*made)
    assert all(x.isfinite().all() for x in runs)
    group = made[0].param_groups[0]
    means = {"rows": -1, "columns": -2}  # of a parameter's rows or columns, kept in the numbers that are computed with
    declared = {state.name: means[state.shape] for state in made[0].view(group).rule.states if state.shape in means}
    for p, state in zip(group["params"], states(made[0]), strict=True):
        for key, x in state.items():
            if key in CLOCKS:
                assert x.dim() == 0
            elif key in declared:
                assert x.shape == p.mean(declared[key], keepdim=True).shape
                assert x.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
            elif key == "anchor":
                assert x.dtype == dtype
            elif key.endswith("_scale"):
                assert x.shape == (-(-p.numel() // 256),)
            else:
                assert x.shape == p.shape
                assert x.dtype == (torch.uint8 if state_dtype == "8bit" else state_dtype)


@each_setting
@each_engine
@each_format
def test_close_to_float32(name: str, flags: Any, engine: Any, state_dtype: Any) -> None:
    """To within the spacing of the states' format, after a few steps."""
    settings = {**flags, **engine, "lr": 0.01, "weight_decay": 0}
    exact, found = (
        train(ours(name)(weights(name=name), **settings, **s), 8) for s in ({}, {"state_dtype": state_dtype})
    )
    moved = (exact - flat(weights(name=name))).abs().mean()
    allowed = {torch.float32: 0.0, torch.bfloat16: 0.05, "8bit": 0.3}[state_dtype]
    assert (found - exact).abs().mean() <= allowed * moved
    if name in ("Adam", "AdamW", "Adagrad", "Adadelta", "RMSprop"):
        assert torch.equal(found, exact) == (state_dtype is torch.float32)


@each_engine
def test_adam_in_8_bits_by_hand(engine: Any) -> None:
    """Decode, Adam in float32, dither: one word of random bits for both states, turned for v."""
    (p,) = params = weights()[:1]
    optimizer = halflife.Adam(params, lr=0.1, state_dtype="8bit", **engine)
    w, m, v = p.detach().clone(), torch.zeros_like(p), torch.zeros_like(p)
    for t in range(1, 5):
        (g,) = (g.float() for g in gradients(params, t))
        p.grad = g
        optimizer.step()
        m, v = 0.9 * m + (1 - 0.9) * g, 0.999 * v + (1 - 0.999) * (g * g)
        w = w.add(m / (1 - 0.9**t) / ((v / (1 - 0.999**t)).sqrt() + 1e-8), alpha=-0.1)
        coded = [
            encode_8bit(x, turned(dither(x.numel(), seed_of(t, 101)), k) & 0xFFFFF, signed=k == 0)
            for k, x in enumerate((m, v))
        ]
        m, v = (decode_8bit(*pair, signed=k == 0) for k, pair in enumerate(coded))
        state = optimizer.state[p]
        assert torch.equal(p, w)
        assert torch.equal(state["exp_avg"], coded[0][0])
        assert torch.equal(state["exp_avg_sq_scale"], coded[1][1])
        assert torch.equal(state["exp_avg_sq"], coded[1][0])


@pytest.mark.parametrize("engine", [{"engine": "eager"}, {"engine": "foreach"}, {}], ids=["eager", "foreach", "own"])
@pytest.mark.parametrize("state_dtype", [torch.bfloat16, "8bit"], ids=str)
def test_three_states_round_without_bias_and_each_for_itself(engine: Any, state_dtype: Any) -> None:
    """AMSGrad's second and third states are the same numbers here, and share the random word with the first."""
    n, generator = 1 << 16, torch.Generator().manual_seed(0)
    p, g = torch.zeros(n), torch.empty(n).uniform_(0.1, 1.0, generator=generator)
    p.grad = g = torch.where(torch.rand(n, generator=generator) < 0.5, g, -g)
    optimizer = halflife.Adam([p], lr=0.0, betas=(0.5, 0.75), amsgrad=True, state_dtype=state_dtype, **engine)
    optimizer.step()
    state, errors = optimizer.state[p], []
    for name, x in (("exp_avg", 0.5 * g), ("exp_avg_sq", 0.25 * g**2), ("max_exp_avg_sq", 0.25 * g**2)):
        kept = state[name]
        found = decode_8bit(kept, state[f"{name}_scale"], signed=name == "exp_avg") if state_dtype == "8bit" else kept
        errors.append(found.double() / x.double() - 1)
    scaled = [error / error.square().mean().sqrt() for error in errors]
    assert all(error.abs().max() > 1e-3 for error in errors)
    assert all(abs(error.mean().item()) < 4 / math.sqrt(n) for error in scaled)
    for one, other in itertools.combinations(scaled, 2):
        assert abs((one * other).mean().item()) < 4 / math.sqrt(n)


@each_engine
@pytest.mark.parametrize("state_dtype", [torch.bfloat16, "8bit"], ids=str)
def test_an_average_does_not_freeze(engine: Any, state_dtype: Any) -> None:
    """β₂ = 0.999 moves v by a thousandth a step, far below the codes' spacing; rounded to nearest it stops."""
    g = torch.linspace(0.1, 1.0, 512)
    p = torch.zeros(512)
    optimizer = halflife.RMSprop([p], alpha=0.999, lr=0.0, state_dtype=state_dtype, **engine)
    for _ in range(6000):
        p.grad = g
        optimizer.step()
    v = optimizer.state[p]["square_avg"]
    v = decode_8bit(v, optimizer.state[p]["square_avg_scale"], signed=False) if state_dtype == "8bit" else v.float()
    assert ((v / g**2 - 1).abs() < 0.15).all()
    assert (v / g**2).mean() == pytest.approx(1, abs=0.02)


@each_engine
@each_format
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["Adam", "SGD", "Adagrad", "Lion"])
def test_what_is_not_finite_is_seen(engine: Any, state_dtype: Any, bad: float, name: str) -> None:
    p = torch.ones(700)
    flags = {"momentum": 0.9} if name == "SGD" else {}
    optimizer = ours(name)([p], lr=0.1, state_dtype=state_dtype, **engine, **flags)
    for k in range(3):
        p.grad = torch.linspace(0.1, 1, 700)
        p.grad[300] = bad if k == 0 else 0.5
        optimizer.step()
    assert name == "Lion" or not p[300].isfinite()
    assert p[:256].isfinite().all()
    assert p[512:].isfinite().all()


@each_format
@each_engine
@pytest.mark.parametrize("name", ["Adam", "SGD"])
def test_strides_do_not_matter(name: str, engine: Any, state_dtype: Any) -> None:
    """The flat order is that of the indices, not of the memory."""
    flags = {"momentum": 0.9} if name == "SGD" else {}
    runs = []
    for look in (torch.clone, lambda x: x.t().contiguous().t(), lambda x: torch.stack([x, x], -1)[..., 0]):
        p = look(torch.linspace(-1, 1, 600).view(20, 30))
        optimizer = ours(name)([p, torch.ones(3)], lr=0.1, state_dtype=state_dtype, **engine, **flags)
        for k in range(4):
            p.grad = gradients([p], k)[0].float()
            optimizer.step()
        runs.append(p.clone())
    assert torch.equal(runs[0], runs[1])
    assert torch.equal(runs[0], runs[2])


@each_format
@pytest.mark.parametrize("rounding", ["nearest", "stochastic", "kahan"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("name", "flags"), [("SGD", {}), ("SGD", {"momentum": 0.9, "nesterov": True}), ("Adagrad", {})]
)
def test_sparse_gradients(name: str, flags: Any, state_dtype: Any, rounding: str, dtype: torch.dtype) -> None:
    """The same weights as from the dense gradient, in which all other rows are zero."""
    runs = []
    for sparse in (True, False):
        p = torch.linspace(-1, 1, 300).view(60, 5).to(dtype).requires_grad_()
        optimizer = ours(name)([p], lr=0.1, state_dtype=state_dtype, rounding=rounding, engine="eager", **flags)
        for k in range(4):
            rows, values = torch.tensor([[1, 7, 7, 8 + k]]), torch.ones(4, 5).to(dtype)
            g = torch.sparse_coo_tensor(rows, values, p.shape, check_invariants=True)
            p.grad = g if sparse else g.to_dense()
            optimizer.step()
        runs.append(p.detach().clone())
    assert (runs[0] - runs[1]).abs().max() <= (1e-6 if dtype is state_dtype else 0)  # sums may run in another order


@each_engine
def test_groups_have_their_own_formats(engine: Any) -> None:
    params = [torch.ones(300).requires_grad_() for _ in range(4)]
    groups = [{"params": [p], "state_dtype": s} for p, s in zip(params, [None, *NARROW], strict=True)]
    optimizer = halflife.AdamW(groups, lr=0.1, **engine)
    train(optimizer, 2)
    assert [s["exp_avg"].dtype for s in states(optimizer)] == [
        torch.float32,
        torch.float32,
        torch.bfloat16,
        torch.uint8,
    ]


@each_engine
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["Adam", "Lion"])
def test_a_format_may_change_between_two_steps(name: str, engine: Any, dtype: torch.dtype) -> None:
    params = weights(dtype, name)
    optimizer = ours(name)(params, lr=0.01, weight_decay=0, state_dtype="8bit", rounding="kahan", **engine)
    for k, state_dtype in enumerate(["8bit", None, torch.bfloat16, torch.float32, "8bit", None]):
        optimizer.param_groups[0].update(state_dtype=state_dtype, rounding="nearest" if k == 3 else "kahan")
        train(optimizer, 1, k)
        expected = {None: dtype, "8bit": torch.uint8}.get(state_dtype, state_dtype)
        assert all(state["exp_avg"].dtype == expected for state in states(optimizer))
        assert all(("exp_avg_scale" in state) == (state_dtype == "8bit") for state in states(optimizer))
        assert all(("kahan" in state) == (k != 3 and dtype is torch.bfloat16) for state in states(optimizer))
    undisturbed = train(ours(name)(weights(dtype, name), lr=0.01, weight_decay=0), 6)
    assert (flat(params) - undisturbed).abs().mean() < 0.01


@pytest.mark.parametrize("name", ["SGD", "AdamW", "Lion", "Adafactor", "Muon"])
@pytest.mark.parametrize("wrong", [torch.float16, "4bit", 8, torch.int8], ids=str)
def test_a_wrong_format_is_answered_with_the_right_ones(name: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"torch.float32, torch.bfloat16 or '8bit'"):
        ours(name)(weights(name=name), state_dtype=wrong)


def test_formats_are_refused_where_they_cannot_be() -> None:
    with pytest.raises(ValueError, match="differentiable=True"):
        halflife.Adam(weights(), state_dtype="8bit", differentiable=True)
    with pytest.raises(ValueError, match="real parameters"):
        halflife.Adam([torch.ones(3, dtype=torch.complex64)], state_dtype="8bit")


@each_setting
@each_format
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_capturable_is_only_another_way(name: str, flags: Any, state_dtype: Any, dtype: torch.dtype) -> None:
    if "capturable" not in ours(name)(weights(name=name)).defaults:
        return
    settings = {**flags, "state_dtype": state_dtype, "rounding": "stochastic"}
    plain = train(ours(name)(weights(dtype, name), **settings, engine="eager"), 3)
    for engine in ("eager", "foreach"):
        captured = train(ours(name)(weights(dtype, name), **settings, capturable=True, engine=engine), 3)
        assert (plain - captured).abs().mean() < 1e-3
