"""What each listed rule promises beside its equations: its states, and every way in which it may be stepped."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from halflife.decays import NAMED
from halflife.engines import EagerGrid, NativeGrid
from halflife.engines.formats import decode_8bit
from halflife.engines.library import Missing, load
from halflife.rules import StateSpec

from .variants import (
    LAM,
    LR,
    SHAPES,
    VARIANTS,
    Variant,
    close,
    each_engine,
    each_variant,
    flat,
    made,
    no_number_is_read,
    numbers,
    train,
    weights,
)

BUILT = not isinstance(load(), Missing)
each_format = pytest.mark.parametrize("state_dtype", [torch.bfloat16, "8bit"], ids=str)


@pytest.fixture(autouse=True)
def double_precision():
    """Single numbers are kept in the default dtype: here nothing is to be narrower than float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def shape_of(state: StateSpec, p: torch.Tensor) -> torch.Size:
    """The shape that a state of p is declared to have."""
    whole = {"parameter": p, "rows": p[..., :1], "columns": p[..., :1, :] if p.dim() > 1 else p, "scalar": p.sum()}
    return whole[state.shape].shape


# Ways to be stepped


@each_engine
@each_variant
def test_capturable_reads_no_number_and_is_the_same_step(variant: Variant, engine: str) -> None:
    for decay in variant.decays():
        plain = train(made(variant, decay=decay, engine=engine))
        optimizer = made(variant, decay=decay, engine=engine, capturable=True)
        train(optimizer, 1)
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(group["lr"])
        with no_number_is_read():
            found = train(optimizer, 6, first=1)
        close(found, plain)
        assert (found - flat(weights(variant.shapes(SHAPES)))).abs().min() > 0


@pytest.mark.parametrize("decay", ["decoupled", "euclidean"])
@each_variant
def test_differentiable_in_weights_gradients_lr_and_lambda(variant: Variant, decay: str) -> None:
    if NAMED[decay] not in variant.decays():
        pytest.skip("the rule has no metric")

    def last(w: torch.Tensor, gradients: torch.Tensor, lr: torch.Tensor, lam: torch.Tensor) -> torch.Tensor:
        p = w.clone()
        p.retain_grad()
        optimizer = made(variant, [p], decay=decay, lr=lr, weight_decay=lam, differentiable=True)
        for g in gradients:
            p.grad = g
            optimizer.step()
        return p

    shape = variant.shapes([(3,)])[0]
    inputs = numbers(shape, 1), numbers((2, *shape), 2), torch.tensor(LR), torch.tensor(LAM)
    assert torch.autograd.gradcheck(last, [x.requires_grad_() for x in inputs], atol=1e-5)


@pytest.mark.parametrize("kind", [EagerGrid, NativeGrid])
@each_variant
def test_a_replica_of_a_grid_steps_as_it_would_alone(variant: Variant, kind: Any) -> None:
    if kind is NativeGrid and not (BUILT and variant.entry.rule.functor):
        pytest.skip("the native engine is not built" if variant.entry.rule.functor else "the rule has no functor")
    lrs, lams = [0.02, 0.05, 0.1], [0.0, 0.3, 0.6]
    for update in variant.updates():
        stacked = [torch.stack([w.detach()] * 3) for w in weights(variant.shapes(SHAPES))]
        grid = kind(update, stacked, lrs, lams, 1.0)
        for t in range(4):
            grads = [numbers(w.shape[1:], 100 + 10 * t + k) for k, w in enumerate(stacked)]
            grid.step(0.8**t, [torch.stack([g] * 3) for g in grads])
        for k, (lr, lam) in enumerate(zip(lrs, lams, strict=True)):
            alone = train(made(variant, decay=update.decay, lr=lr, weight_decay=lam, engine="eager"), 4)
            # a grid keeps single numbers in float32
            close(flat([w[k] for w in stacked]), alone, 1e-6 if update.rule.scalars else 1e-12)


# States


@each_engine
@each_variant
def test_the_states_are_those_declared(variant: Variant, engine: str) -> None:
    optimizer, rule = made(variant, engine=engine), variant.rule
    params = optimizer.param_groups[0]["params"]
    names = {state.name: state for state in rule.states}
    for steps in range(1, 4):
        train(optimizer, steps)
        for p in params:
            own = dict(optimizer.state.get(p, {}))
            assert ("step" in own) == rule.counts_steps
            there = {name: state for name, state in names.items() if state.is_of(p)}
            assert own.keys() - {"step"} == there.keys()
            for name, state in there.items():
                assert own[name].shape == shape_of(state, p)
                assert state.sign == "any" or (own[name] >= 0).all()


@each_variant
def test_a_rule_starts_and_gives_what_it_declares_and_no_more(variant: Variant) -> None:
    rule, w = variant.rule, numbers((3, 4), 0)
    begun = {state.name for state in rule.states if state.begins == "before the first step"}
    state: dict[str, Any] = dict(rule.start(w, LR))
    assert state.keys() == begun
    for t in (1, 2, 3):
        state |= rule.tick(float(t), {name: float(state[name]) for name in rule.scalars})
        u, _, new = rule(float(t), w, numbers((3, 4), t), state)
        new = {**new, **rule.finish(LR, float(t), w - LR * u, state)}
        assert new.keys() <= {spec.name for spec in rule.states}
        state |= new
    assert state.keys() == {spec.name for spec in rule.states if spec.is_of(w)}


def test_a_number_that_is_read_is_seen() -> None:
    adam = next(variant for variant in VARIANTS if variant.entry.name == "Adam")
    with pytest.raises(AssertionError), no_number_is_read():
        train(made(adam, engine="eager"), 1)


@each_format
@each_variant
def test_narrow_states_are_within_their_resolution(variant: Variant, state_dtype: Any) -> None:
    """After one step no state is farther off than its format's neighbours are apart, and half of that at its start."""
    rule = variant.rule
    shapes = variant.shapes([(3, 130), (257,)])
    wide, narrow = (
        made(variant, weights(shapes, torch.float32), state_dtype=s, engine="eager") for s in (None, state_dtype)
    )
    train(wide, 1), train(narrow, 1)
    for p, q in zip(wide.param_groups[0]["params"], narrow.param_groups[0]["params"], strict=True):
        for name in (state.name for state in rule.states if state.shape == "parameter" and state.is_of(p)):
            exact, found = wide.state[p][name], narrow.state[q][name]
            apart, least = exact.abs() / 128 * 1.5, torch.tensor(0.0)
            if state_dtype == "8bit":
                scale = narrow.state[q][name + "_scale"]
                found = decode_8bit(found, scale, signed=name not in rule.never_negative)
                apart, least = exact.abs() / 8 * 1.5, scale.max() / 64 / 8
            assert ((found.float() - exact).abs() <= torch.maximum(apart, least)).all(), name


@each_format
@each_variant
def test_narrow_states_train_as_wide_ones(variant: Variant, state_dtype: Any) -> None:
    shapes = variant.shapes([(3, 130), (257,)])
    first = torch.cat([w.detach().flatten() for w in weights(shapes)])
    wide, narrow = (
        train(made(variant, weights(shapes, torch.float32), state_dtype=s, engine="eager")) for s in (None, state_dtype)
    )
    allowed = 0.05 if state_dtype is torch.bfloat16 else 0.3
    assert (narrow - wide).abs().mean() <= allowed * (wide - first).abs().mean()


@each_format
@each_variant
def test_narrow_states_are_the_same_bits_in_every_engine(variant: Variant, state_dtype: Any) -> None:
    engines = ["eager", "foreach", *(["native"] if BUILT and variant.entry.rule.functor else [])]
    runs = []
    for engine in engines:
        own = weights(variant.shapes([(3, 130), (257,)]), torch.float32)
        optimizer = made(variant, own, state_dtype=state_dtype, engine=engine)
        train(optimizer, 4)
        runs.append(optimizer)
        assert optimizer.engines()[0].name == engine
    for engine, other in zip(engines[1:], runs[1:], strict=True):
        for mine, theirs in zip(runs[0].state.values(), other.state.values(), strict=True):
            assert mine.keys() == theirs.keys()
            for name, x in mine.items():
                if engine == "foreach" or name == "step":
                    assert torch.equal(x, theirs[name]), name
                elif name.endswith("_scale") or x.dim() == 0:
                    torch.testing.assert_close(x, theirs[name], rtol=1e-6, atol=0)
                else:  # of a number that native rounds otherwise the dither may fall on the other side
                    assert (x != theirs[name]).sum() <= max(1, x.numel() // 500), name
