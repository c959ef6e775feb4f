"""Matrices, whose direction is made over lists and whose step in one pass, beside the eager engine."""

from typing import Any

import pytest
import torch
from torch import Tensor

import halflife
from halflife.engines import matrices
from halflife.engines.library import Missing, load
from halflife.regularizers import L1, GroupLasso, Huber, Sphere, TowardInit

pytestmark = pytest.mark.skipif(isinstance(load(), Missing), reason="the native engine is not built")
SHAPES = [(6, 10), (6, 10), (10, 6), (8, 8), (300, 260)]


@pytest.fixture(autouse=True)
def _all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrices, "SMALL", 0)


def run(engine: Any, dtype: torch.dtype, steps: int = 4, **settings: Any) -> tuple[list[Tensor], Any]:
    g = torch.Generator().manual_seed(1)
    params = [torch.nn.Parameter(torch.randn(shape, generator=g).to(dtype)) for shape in SHAPES]
    optimizer = halflife.Muon(params, lr=0.05, engine=engine, **settings)
    for _ in range(steps):
        for p in params:
            p.grad = torch.randn(p.shape, generator=g).to(dtype)
        optimizer.step()
    if engine is None:
        assert optimizer.engines()[0].name == "native", optimizer
    return params, optimizer


SETTINGS: list[dict[str, Any]] = [
    {},
    {"weight_decay": 2.0, "adjust_lr_fn": "match_rms_adamw", "nesterov": False},
    {"weight_decay": 2.0, "ns_precision": "float32", "ns_form": "gram"},
    {"weight_decay": 0.5, "decay": "independent"},
    {"weight_decay": 2.0, "decay": "cautious"},
    {"weight_decay": 2.0, "decay": "proximal", "regularizer": L1()},
    {"weight_decay": 2.0, "decay": "proximal", "regularizer": GroupLasso(1)},
    {"weight_decay": 2.0, "regularizer": Huber(0.1)},
    {"weight_decay": 2.0, "regularizer": TowardInit()},
    {"weight_decay": 2.0, "max_grad_norm": 1.0, "maximize": True, "ns_precision": "float32"},
    {"weight_decay": 2.0, "ema_decay": 0.9},
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_is_the_eager_step(dtype: torch.dtype, settings: dict[str, Any]) -> None:
    (found, optimizer), (expected, eager) = (run(engine, dtype, **settings) for engine in (None, "eager"))
    for p, q in zip(found, expected, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-5)
        assert optimizer.state[p].keys() == eager.state[q].keys()
        for name, x in eager.state[q].items():
            torch.testing.assert_close(optimizer.state[p][name], x, rtol=1e-5, atol=1e-5)
    if settings.get("weight_decay"):
        moved, _ = run("eager", dtype, **{**settings, "weight_decay": 0.0})
        assert all((p - q).abs().max() > 1e-3 for p, q in zip(moved, expected, strict=True))


@pytest.mark.parametrize("settings", [{}, {"rounding": "kahan"}, {"ema_decay": 0.9}], ids=str)
def test_half_precision(settings: dict[str, Any]) -> None:
    (found, _), (expected, _) = (run(e, torch.bfloat16, weight_decay=2.0, **settings) for e in (None, "eager"))
    for p, q in zip(found, expected, strict=True):
        torch.testing.assert_close(p, q, rtol=2**-7, atol=2**-7)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"weight_decay": 1.0, "decay": "coupled"}, "a coupled decay is part of the gradient"),
        ({"capturable": True}, "capturable=True needs the step in torch's own operations"),
        ({"weight_decay": 1.0, "decay": "proximal", "regularizer": Sphere(), "direction": "normalized"}, ""),
    ],
)
def test_what_it_leaves_to_others(settings: dict[str, Any], why: str) -> None:
    (found, optimizer), (expected, _) = (run(e, torch.float32, **settings) for e in ("native", "eager"))
    assert optimizer.engines()[0].name != "native"
    assert why in optimizer.engines()[0].reason
    for p, q in zip(found, expected, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-5)


def test_a_matrix_in_another_order_and_random_bits_are_left_to_others() -> None:
    p = torch.nn.Parameter(torch.randn(6, 10).T)
    p.grad = torch.ones_like(p)
    assert "row by row" in halflife.Muon([p]).engines()[0].reason
    q = torch.nn.Parameter(torch.randn(6, 10).bfloat16())
    q.grad = torch.ones_like(q)
    assert "random bits" in halflife.Muon([q], rounding="stochastic").engines()[0].reason


def test_small_and_large_ones_share_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrices, "SMALL", 1 << 16)
    params, optimizer = run("native", torch.float32, weight_decay=2.0)
    assert optimizer.engines()[0].name == "native, foreach"
    for p, q in zip(params, run("eager", torch.float32, weight_decay=2.0)[0], strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-5)
