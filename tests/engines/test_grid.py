"""A replica in the grid is stepped as its own optimizer would step it."""

from contextlib import suppress

import pytest
import torch
from torch.func import vmap

from halflife import Decay, rules
from halflife import optimizers as optim
from halflife.engines import EagerGrid, NativeGrid, grid
from halflife.engines.library import Missing, load
from halflife.lab.config.optimizers import OPTIMIZER_SPECS, OptimizerSpec
from halflife.regularizers import L2, GroupLasso
from halflife.update import Update

from ..native.users import needs_native

GRIDS = [pytest.param(NativeGrid, marks=needs_native), EagerGrid]
SHAPES, K, STEPS = ((7, 3), (4,), ()), 5, 12
LRS, LAMS = [1e-3 * 2**k for k in range(K)], [0.0, *(0.01 * 3**k for k in range(K - 1))]
CASES = {
    **{name: spec for name, spec in OPTIMIZER_SPECS.items() if spec.is_stackable},  # a vector is not Muon's
    "nesterov": OptimizerSpec("nesterov", "", "", optim.SGD, (("momentum", 0.9), ("nesterov", True))),
    "dampened": OptimizerSpec("dampened", "", "", optim.SGD, (("momentum", 0.9), ("dampening", 0.5))),
}


def randn(shape, seed):
    return torch.randn(K, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def shapes_of(spec):
    """Those that its rule takes."""
    found = []
    for shape in SHAPES:
        with suppress(ValueError):
            spec.update.rule.check(torch.empty(shape))
            found.append(shape)
    return found


def weights(shapes=SHAPES):
    return [randn(shape, i) for i, shape in enumerate(shapes)]


def gradients(t, shapes=SHAPES):
    return [randn(shape, 100 * t + i) for i, shape in enumerate(shapes)]


def eta(t):
    return 1 - t / STEPS / 2


def run(make, spec, steps=range(1, STEPS + 1), stacked=None):
    shapes = shapes_of(spec)
    stacked = weights(shapes) if stacked is None else stacked
    made = make(spec.update, stacked, LRS, LAMS, eta(1))
    for t in steps:
        made.step(eta(t), gradients(t, shapes))
    return stacked, made


def alone(spec, k):
    params = [w[k].clone().requires_grad_() for w in weights(shapes_of(spec))]
    optimizer = spec.build(params, LRS[k], LAMS[k])
    for t in range(1, STEPS + 1):
        for p, g in zip(params, gradients(t, shapes_of(spec)), strict=True):
            p.grad = g[k].clone()
        for group in optimizer.param_groups:
            group["lr"] = LRS[k] * eta(t)
        optimizer.step()
    return [p.detach() for p in params]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("make", GRIDS)
def test_a_replica_is_stepped_as_if_it_were_alone(name, make):
    if make is NativeGrid and CASES[name].update.rule.functor is None:
        pytest.skip("the native library has no such rule")
    stacked, _ = run(make, CASES[name])
    for k in range(K):
        for mine, theirs, first in zip(stacked, alone(CASES[name], k), weights(shapes_of(CASES[name])), strict=True):
            torch.testing.assert_close(mine[k], theirs, rtol=1e-6 if name in ("asgd", "nadam") else 1e-12, atol=1e-12)
            assert (mine[k] - first[k]).abs().max() > 1e-6


@pytest.mark.parametrize("make", GRIDS)
def test_what_is_not_kept_stays_as_it_is_and_the_others_go_on(make):
    whole, _ = run(make, CASES["adam-p"])
    stacked, made = run(make, CASES["adam-p"], range(1, 7))
    before = [w.clone() for w in stacked]
    made.keep(torch.tensor([True, False, True, True, False]))
    for t in range(7, STEPS + 1):
        made.step(eta(t), gradients(t))
    for w, frozen, free in zip(stacked, before, whole, strict=True):
        assert torch.equal(w[[1, 4]], frozen[[1, 4]])
        assert torch.equal(w[[0, 2, 3]], free[[0, 2, 3]])
        assert not torch.equal(w[[0, 2, 3]], frozen[[0, 2, 3]])


@pytest.mark.parametrize("name", ["adamw-paper", "sgdw", "dampened", "nadam"])
@pytest.mark.parametrize("make", GRIDS)
def test_restored_it_goes_on_to_the_same_bits(name, make):
    whole, _ = run(make, CASES[name])
    stacked, made = run(make, CASES[name], range(1, 6))
    again = [w.clone() for w in stacked]
    other = make(CASES[name].update, again, LRS, LAMS, eta(1))
    other.restore(made.steps, [{n: x.clone() for n, x in s.items()} for s in made.states], made.alive)
    for t in range(6, STEPS + 1):
        other.step(eta(t), gradients(t))
    for mine, theirs in zip(again, whole, strict=True):
        assert torch.equal(mine, theirs)


@needs_native
def test_gradients_that_lie_otherwise_are_put_in_order():
    spec = CASES["adamw-torch"]
    straight, _ = run(NativeGrid, spec)
    stacked = weights()
    made = NativeGrid(spec.update, stacked, LRS, LAMS, eta(1))
    for t in range(1, STEPS + 1):
        made.step(eta(t), [g.mT.contiguous().mT if g.ndim == 3 else g for g in gradients(t)])
    assert torch.equal(stacked[0], straight[0])


def test_what_the_native_engine_cannot_take_is_stepped_eagerly():
    lasso = OptimizerSpec("lasso", "", "", optim.ProxAdam, (("regularizer", GroupLasso(dim=0)),))
    stacked = [randn((7, 3), 0)]
    made = grid(lasso.update, stacked, LRS, [0.5] * K)
    assert made.name == "eager"
    assert grid(CASES["adam-l2"].update, stacked, LRS, LAMS).name == (
        "eager" if isinstance(load(), Missing) else "native"
    )
    first = stacked[0].clone()
    made.step(1.0, [randn((7, 3), 1)])

    def one(w, g, lr):
        return lasso.update(1, w, g, lasso.update.rule.start(w, 0.0), lr=lr, eta=1.0, lam=0.5)[0]

    torch.testing.assert_close(stacked[0], vmap(one)(first, randn((7, 3), 1), torch.tensor(LRS, dtype=torch.float64)))


COMPLEX = ["adam", "sgdw", "dampened", "nadam", "lion", "prox-sgd"]


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_replicas_are_stepped_as_two_real_columns(name):
    spec = CASES[name] if name in CASES else OPTIMIZER_SPECS[name]
    stacked = torch.complex(randn((7, 3), 0), randn((7, 3), 1))
    gradients = [torch.complex(randn((7, 3), 10 * t), randn((7, 3), 10 * t + 1)) for t in range(4)]
    before, apart = stacked.clone(), []
    for k in range(K):
        p = stacked[k].clone().requires_grad_()
        optimizer = spec.build([p], LRS[k], LAMS[k])
        for g in gradients:
            p.grad = g[k].clone()
            optimizer.step()
        apart.append(p.detach())
    made = grid(spec.update, [stacked], LRS, LAMS, 1.0)
    for g in gradients:
        made.step(1.0, [g.conj().resolve_conj().conj()])  # as autograd gives some of them
    torch.testing.assert_close(stacked, torch.stack(apart), rtol=1e-6 if name == "nadam" else 1e-12, atol=1e-12)
    assert (stacked - before).abs().max() > 1e-3
    assert all(x.is_complex() for x in made.states[0].values() if x.dim() > 1)


@pytest.mark.parametrize("make", [*GRIDS, grid])
@pytest.mark.parametrize(
    ("rule", "regularizer", "shape", "dtype", "sentence"),
    [
        (rules.Muon(), L2(), (4,), torch.float32, "Muon only supports 2D parameters"),
        (rules.Muon(), L2(), (2, 3, 4), torch.float32, "Muon only supports 2D parameters"),
        (rules.Muon(), L2(), (3, 4), torch.complex64, "Muon does not support complex"),
        (rules.Adafactor(), L2(), (3, 4), torch.complex64, "Adafactor does not support complex"),
        (rules.Adam(), GroupLasso(dim=1), (4,), torch.float32, r"GroupLasso\(dim=1\) needs"),
    ],
    ids=str,
)
def test_what_no_optimizer_takes_is_refused_in_its_words(make, rule, regularizer, shape, dtype, sentence):
    update, stacked = (
        Update(rule, Decay("implicit", "lr"), regularizer),
        [torch.ones(K, 3, 4), torch.ones(K, *shape, dtype=dtype)],
    )
    with pytest.raises((ValueError, RuntimeError), match=rf"{sentence}.* It is number 1 of the grid's"):
        make(update, stacked, LRS, LAMS, 1.0)


def test_a_rule_of_sparse_gradients_has_no_grid():
    update = Update(rules.SparseAdam(), Decay("explicit", "lr"), L2())
    with pytest.raises(RuntimeError, match="SparseAdam takes sparse gradients alone, and those of a grid are dense"):
        grid(update, [torch.ones(K, 3)], LRS, LAMS)
