"""Clipping by the norm of all gradients, which are only read: as torch clips before the step."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.nn.utils import clip_grad_norm_

import halflife

from ..optim.users import takes
from .users import (
    each,
    each_engine,
    each_of_torch,
    equal,
    flat,
    give_gradients,
    groups,
    ours,
    snapshot,
    theirs,
    weights,
)


@each_of_torch
@each_engine
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("maximize", [False, True])
def test_as_torch_clips_before_the_step(name: str, engine: Any, dtype: torch.dtype, maximize: bool) -> None:
    a, b = weights(dtype, name), weights(dtype, name)
    knows = takes(theirs(name), "maximize")  # Muon does not: its gradients are turned round
    flags = {"maximize": maximize} if knows else {}
    reference = theirs(name)(groups(a, lr=0.02), lr=0.1, **flags)
    found = ours(name)(groups(b, lr=0.02), lr=0.1, maximize=maximize, **engine, max_grad_norm=2.0)
    clipped = 0
    for k in range(8):
        for params, sign in ((a, -1 if maximize and not knows else 1), (b, 1)):
            give_gradients(params, k, size=0.1 * k * sign)
        norm = clip_grad_norm_(a, 2.0)
        reference.step()
        found.step()
        clipped += norm > 2
        assert found.grad_norm == pytest.approx(norm.item(), rel=1e-6)
    assert 0 < clipped < 8
    assert (flat(a) - flat(b)).abs().max() <= (1e-5 if dtype is torch.float32 else 1e-12)


@each
@each_engine
def test_gradients_are_not_written_nor_copied_in_vain(name: str, engine: Any) -> None:
    params = weights(name=name)
    runs = []
    for norm in (None, 1e6):
        optimizer = ours(name)(weights(name=name), **engine, max_grad_norm=norm)
        for k in range(3):
            give_gradients(optimizer.param_groups[0]["params"], k)
            optimizer.step()
        runs.append(snapshot(optimizer))
    assert equal(*runs), "a factor of 1 changes no bit"
    optimizer = ours(name)(params, **engine, max_grad_norm=0.1)
    give_gradients(params, 0)
    before, versions = [p.grad.clone() for p in params], [p.grad._version for p in params]
    optimizer.step()
    assert equal(before, [p.grad for p in params])
    assert versions == [p.grad._version for p in params]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@each_engine
def test_half_gradients_have_a_float32_norm(dtype: torch.dtype, engine: Any) -> None:
    p = torch.zeros(4096, dtype=dtype)
    p.grad = torch.full_like(p, 300.0)
    halflife_sgd = halflife.SGD([p], lr=1.0, max_grad_norm=64.0, **engine)
    halflife_sgd.step()
    assert halflife_sgd.grad_norm == pytest.approx(300 * 64, rel=1e-6)
    assert torch.allclose(p.float(), torch.full((4096,), -1.0), rtol=1e-3)


def test_squares_that_overflow() -> None:
    p = torch.zeros(4)
    p.grad = torch.full_like(p, 1e30)
    optimizer = halflife.SGD([p], lr=1.0, max_grad_norm=2.0, skip_nonfinite=True)
    optimizer.step()
    assert optimizer.grad_norm == pytest.approx(2e30, rel=1e-6)
    assert torch.allclose(p, torch.full((4,), -1.0))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@each_engine
def test_a_norm_that_is_not_finite_does_what_it_does_in_torch(bad: float, engine: Any) -> None:
    a, b = weights(), weights()
    reference, found = torch.optim.SGD(a, lr=0.1), halflife.SGD(b, lr=0.1, max_grad_norm=1.0, **engine)
    for params in (a, b):
        give_gradients(params, 0)
        params[0].grad[1, 2] = bad
    clip_grad_norm_(a, 1.0)
    reference.step()
    found.step()
    assert torch.equal(flat(a).isfinite(), flat(b).isfinite())
    assert not math.isfinite(found.grad_norm)


@pytest.mark.parametrize("name", ["SGD", "Adagrad"])
def test_sparse_gradients(name: str) -> None:
    """Rows may repeat; their sums count."""
    runs, norms = [], []
    for sparse in (True, False):
        p, q = torch.ones(6, 3, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
        optimizer = ours(name)([p, q], lr=0.1, max_grad_norm=1.0)
        for k in range(3):
            rows = torch.tensor([[0, 2, 2, k]])
            g = torch.sparse_coo_tensor(rows, torch.arange(12.0).view(4, 3).double(), p.shape, check_invariants=True)
            p.grad, q.grad = g if sparse else g.to_dense(), torch.ones_like(q)
            optimizer.step()
            norms.append(optimizer.grad_norm)
        runs.append(flat([p, q]))
    assert (runs[0] - runs[1]).abs().max() < 1e-14
    assert norms[:3] == pytest.approx(norms[3:])


def test_sparse_adam_takes_its_rows_by_the_same_factor() -> None:
    """Its gradients are sparse alone: torch's is given those that are clipped by hand."""
    a, b = (torch.ones(6, 3, dtype=torch.float64).requires_grad_() for _ in range(2))
    reference, found = torch.optim.SparseAdam([a], lr=0.1), halflife.SparseAdam([b], lr=0.1, max_grad_norm=1.0)
    for k in range(4):
        rows, values = torch.tensor([[0, 2, 2, k]]), torch.arange(12.0).view(4, 3).double() * 0.02 * (k + 1)
        g = torch.sparse_coo_tensor(rows, values, b.shape, check_invariants=True)
        norm = g.to_dense().norm().item()
        b.grad, a.grad = g, g * min(1.0, 1 / (norm + 1e-6))
        reference.step()
        found.step()
        assert found.grad_norm == pytest.approx(norm)
        assert (norm < 1) == (k < 1)
    assert (a - b).abs().max() < 1e-12


def test_complex_and_mixed_dtypes() -> None:
    params = [torch.ones(3, dtype=d) for d in (torch.complex64, torch.float32, torch.bfloat16, torch.float64)]
    optimizer = halflife.SGD(params, lr=0.1, max_grad_norm=float("inf"))
    for p in params:
        p.grad = torch.full_like(p, 2 + 1j if p.is_complex() else 2)
    optimizer.step()
    assert optimizer.grad_norm == pytest.approx((3 * 5 + 3 * 3 * 4) ** 0.5)


def test_without_gradients() -> None:
    optimizer = halflife.AdamW(weights(), max_grad_norm=1.0, skip_nonfinite=True)
    optimizer.step()
    assert optimizer.grad_norm == 0
    assert not optimizer.state


@each_engine
def test_capturable_keeps_the_norm_a_tensor(engine: Any) -> None:
    runs = []
    for capturable in (False, True):
        params = weights()
        optimizer = halflife.AdamW(params, lr=0.1, max_grad_norm=0.5, capturable=capturable, **engine)
        for k in range(3):
            give_gradients(params, k)
            optimizer.step()
        assert isinstance(optimizer.grad_norm, torch.Tensor) == capturable
        runs.append(flat(params))
    assert (runs[0] - runs[1]).abs().max() < 1e-5  # the clock is in float32


def test_meta_gradients_follow_the_clip_factor() -> None:
    def final(x: Any) -> torch.Tensor:
        w = torch.linspace(-1, 1, 5, dtype=torch.float64)
        p = w.clone().requires_grad_().clone()
        p.retain_grad()
        p.grad = x * torch.arange(1.0, 6, dtype=torch.float64) + torch.ones(5, dtype=torch.float64)
        halflife.SGD([p], lr=0.1, max_grad_norm=0.7, differentiable=True).step()
        return (p * torch.arange(5)).sum()

    x = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(final(x), x)
    assert slope.item() == pytest.approx((final(0.3 + 1e-6) - final(0.3 - 1e-6)).item() / 2e-6, rel=1e-5)


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan")])
def test_a_wrong_norm_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="max_grad_norm must be None or above 0"):
        halflife.AdamW(weights(), max_grad_norm=wrong)


def test_the_norm_is_one_for_all_groups() -> None:
    optimizer = halflife.AdamW(weights(), max_grad_norm=1.0)
    with pytest.raises(ValueError, match="max_grad_norm is one setting for the whole optimizer"):
        optimizer.add_param_group({"params": weights(), "max_grad_norm": 2.0})
    assert len(optimizer.param_groups) == 1
    optimizer.param_groups[0]["max_grad_norm"] = 3.0
    optimizer.add_param_group({"params": weights()})
    assert optimizer.param_groups[1]["max_grad_norm"] == 3.0
    again = halflife.AdamW(weights())
    again.add_param_group({"params": weights()})
    again.load_state_dict(optimizer.state_dict())
    assert [group["max_grad_norm"] for group in again.param_groups] == [3.0, 3.0]
