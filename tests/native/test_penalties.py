"""Sums, masks and blocks in the native engine: as in eager, and never by a mask that is not there any more."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import halflife
from halflife import Decay
from halflife.regularizers import (
    L0,
    L1,
    L2,
    Box,
    ElasticNet,
    GroupLasso,
    Huber,
    LHalf,
    NonNegative,
    OnSubset,
    Regularizer,
    Scaled,
    Sum,
    TowardInit,
)

from .users import needs_native

pytestmark = needs_native

N = 16_387  # a chunk and a tail
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2**-6, torch.float16: 2**-9}
MASK = torch.rand(N, generator=torch.Generator().manual_seed(1)) < 0.5
WIDE_MASK = torch.rand(3000, 100, generator=torch.Generator().manual_seed(2)) < 0.5
CORES: list[Regularizer] = [L2(), L1(), ElasticNet(0.3), L0(), LHalf(), Huber(0.7), TowardInit()]
PROXES: list[Regularizer] = [
    *(Sum(Scaled(0.4, R), Scaled(0.3, L2())) for R in CORES),
    *(Sum(Box(-0.5, 3.0), Scaled(0.4, R), Scaled(0.3, L2()), NonNegative()) for R in CORES if R.convex),
    *(OnSubset(R, MASK) for R in (*CORES, Box(-0.3, 0.2), NonNegative(), Sum(L1(), L2(), Box(-0.5, 0.4)))),
    *(Sum(Box(-0.5, 0.4), NonNegative()), Sum(L2(), Box(-0.5, 0.4)), Sum(NonNegative(), Box(-2.0, -1.0))),
    *(
        Scaled(0.5, Sum(L2(), Scaled(2.0, Sum(L1(), L2(), Box(-0.3, 0.9))))),
        Scaled(0.5, OnSubset(Scaled(3.0, L1()), MASK)),
    ),
]
SLOPES: list[Regularizer] = [
    *(Sum(Scaled(0.4, R), Scaled(0.3, L2())) for R in CORES if R.has_grad),
    *(OnSubset(R, MASK) for R in (L2(), Huber(0.7), TowardInit(), Sum(L2(), Huber(0.2)))),
]
CELLS = [
    *((Decay("implicit", step), R) for step in ("lr", "lr/metric") for R in PROXES),
    *((Decay(*cell), R) for R in SLOPES for cell in (("before",), ("explicit", "lr/metric"), ("cautious", "lr"))),
]


def name(x: Any) -> str:
    return repr(x) if not isinstance(x, OnSubset | Scaled | Sum) else f"{type(x).__name__}{'-'.join(_inner(x))}"


def _inner(x: Any) -> list[str]:
    return [name(part) for part in (x.parts if isinstance(x, Sum) else (x.of,))]


def trained(
    regularizer: Any, engine: str | None, dtype: torch.dtype, decay: Any, shape: Any = (N,), **settings: Any
) -> torch.Tensor:
    """The weights after three steps by the native engine, or where ``engine`` is "eager" by the eager one."""
    torch.manual_seed(0)
    p = torch.nn.Parameter(torch.randn(shape).to(dtype))
    rule = settings.pop("rule", halflife.Adam)
    optimizer = rule([p], lr=0.05, weight_decay=3.0, decay=decay, regularizer=regularizer, engine=engine, **settings)
    for _ in range(3):
        p.grad = torch.randn(shape).to(dtype)
        optimizer.step()
    assert (optimizer.engines()[0].name == "native") == (engine is None), optimizer.engines()[0].reason
    return optimizer.state[p]["ema"] if "ema_decay" in settings else p.detach()


def assert_alike(dtype: torch.dtype, regularizer: Any, decay: Any, **settings: Any) -> None:
    """Native and eager give the same, and the decay is at work in it."""
    native, eager = (trained(regularizer, engine, dtype, decay, **settings) for engine in (None, "eager"))
    without = trained(Scaled(0.0, L2()), "eager", dtype, decay, **settings)
    if dtype.itemsize == 2:  # a last bit may fall on the other side of a threshold
        assert (native == eager).double().mean() >= 0.99
        assert (native != without).double().mean() >= 0.1
    else:
        assert (eager - without).abs().max() >= 100 * TOLERANCE[dtype]
        torch.testing.assert_close(native, eager, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("decay", "regularizer"), CELLS, ids=name)
def test_native_is_as_eager(decay: Decay, regularizer: Regularizer, dtype: torch.dtype) -> None:
    assert_alike(dtype, regularizer, decay)


@pytest.mark.parametrize("settings", [{"rounding": "kahan"}, {"state_dtype": "8bit"}, {"maximize": True}], ids=str)
@pytest.mark.parametrize("decay", ["coupled", "decoupled", "proximal_lr"])
def test_a_mask_beside_everything_else(decay: str, settings: dict[str, Any]) -> None:
    dtype = torch.bfloat16 if "rounding" in settings else torch.float32
    assert_alike(dtype, OnSubset(Sum(L2(), TowardInit()), MASK), decay, **settings)
    assert_alike(torch.float64, OnSubset(Huber(0.1), MASK), decay, rule=halflife.ASGD, ema_decay=0.5)


GROUPS: list[tuple[tuple[int, ...], Any]] = [
    *(
        ((40, 700), 1),
        ((40, 700), (0, 1)),
        ((40, 700), (1, 0)),
        ((200, 320), 1),
        ((700, 40), -1),
        ((5, 33_000), 1),
        ((N,), 0),
    ),
    *(((6, 5, 3, 3), (1, 2, 3)), ((6, 5, 3, 3), (2, 3)), ((6, 5, 1), (1, 2)), ((0, 5), 1), ((5, 0), 1)),
]


@pytest.mark.parametrize(
    "settings", [{}, {"ema_decay": 0.5}, {"rule": halflife.Lion}, {"state_dtype": "8bit"}], ids=str
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("shape", "dim"), GROUPS, ids=str)
def test_blocks_that_lie_together(shape: Any, dim: Any, dtype: torch.dtype, settings: dict[str, Any]) -> None:
    for factor in (0.02, 1.0, 60.0):  # little, much, and all of it
        R = Scaled(factor, GroupLasso(dim))
        native, eager = (trained(R, engine, dtype, "proximal_lr", shape, **settings) for engine in (None, "eager"))
        tolerance = 1e-4 if "state_dtype" in settings else TOLERANCE[dtype]
        torch.testing.assert_close(native, eager, rtol=tolerance, atol=tolerance)


def test_whole_blocks_become_zero() -> None:
    weights = trained(Scaled(60.0, GroupLasso(1)), None, torch.float32, "proximal_lr", (40, 700))
    assert weights.eq(0).all(1).any()
    assert not weights.eq(0).all()


@pytest.mark.parametrize("regularizer", [GroupLasso(1), GroupLasso((0, 1)), OnSubset(L1(), WIDE_MASK)])
def test_same_bits_for_any_number_of_threads(regularizer: Regularizer) -> None:
    runs: list[torch.Tensor] = []
    for threads in (1, 2, 3, 4):
        torch.set_num_threads(threads)
        runs.append(trained(regularizer, None, torch.float32, "proximal_lr", WIDE_MASK.shape))
    torch.set_num_threads(1)
    assert all(torch.equal(run, runs[0]) for run in runs)


REFUSED: list[tuple[Any, str, dict[str, Any], str]] = [
    (GroupLasso(0), "proximal", {}, "do not lie together"),
    (GroupLasso(()), "proximal", {}, "do not lie together"),
    (GroupLasso(1), "euclidean", {}, "one threshold a block"),
    (GroupLasso(1), "proximal", {"rule": halflife.ASGD}, "ASGD averages"),
    (GroupLasso(1), "proximal", {"dtype": torch.bfloat16}, "half precision"),
    (Sum(GroupLasso(1), L2()), "proximal", {}, "is not compiled"),
    (Sum(Huber(), TowardInit()), "decoupled", {}, "is not compiled"),
    (Sum(OnSubset(L1(), MASK[:12].view(3, 4)), L2()), "proximal", {}, "is not compiled"),
    (Sum(Scaled(2.0, Box()), L2()), "proximal", {}, "is not compiled"),
    (OnSubset(OnSubset(L1(), MASK[:4]), MASK[:12].view(3, 4)), "proximal", {}, "is not compiled"),
    (OnSubset(L1(), MASK[:4]), "proximal", {}, "mask is not of the parameter's shape"),
    (OnSubset(L1(), MASK[:12].view(4, 3).t()), "proximal", {}, "lies in memory in another order"),
]


@pytest.mark.parametrize(("regularizer", "decay", "settings", "reason"), REFUSED, ids=lambda x: name(x)[:40])
def test_what_is_left_to_eager(regularizer: Any, decay: str, settings: dict[str, Any], reason: str) -> None:
    dtype, rule = settings.get("dtype", torch.float32), settings.get("rule", halflife.Adam)
    p = torch.nn.Parameter(torch.ones(3, 4, dtype=dtype))
    optimizer = rule([p], weight_decay=0.5, decay=decay, regularizer=regularizer)
    choice = optimizer.engines()[0]
    assert (choice.name, reason in choice.reason) == ("eager", True), choice.reason
