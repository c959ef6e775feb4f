"""A tensor that foreach steps in pieces ends as eager leaves it, to the last bit, in every format."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import halflife
from halflife import registry
from halflife.engines import foreach
from halflife.regularizers import L1, GroupLasso, OnSubset, TowardInit

FORMATS: list[dict[str, Any]] = [
    {},
    {"state_dtype": torch.bfloat16},
    {"state_dtype": "8bit"},
    {"rounding": "stochastic"},
    {"rounding": "kahan"},
    {"ema_decay": 0.9},
    {"capturable": True},
]
MASK = torch.arange(50 * 300).view(50, 300) % 3 == 0


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreach, "ON_CPU", 1 << 12)


def stepped(cls: Any, engine: str, dtype: torch.dtype, **settings: Any) -> tuple[torch.Tensor, dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    p = torch.nn.Parameter(torch.randn(50, 300, generator=generator).to(dtype))
    optimizer = cls([p], lr=0.01, weight_decay=0.1, engine=engine, **settings)
    for _ in range(4):
        p.grad = torch.randn(50, 300, generator=generator).to(dtype)
        optimizer.step()
    return p.detach(), optimizer.state[p]


def assert_equal_bits(cls: Any, dtype: torch.dtype, **settings: Any) -> None:
    (w, state), (expected, theirs) = (stepped(cls, engine, dtype, **settings) for engine in ("foreach", "eager"))
    assert torch.equal(w, expected)
    assert state.keys() == theirs.keys()
    assert all(torch.equal(state[name], theirs[name]) and state[name].dtype == theirs[name].dtype for name in state)


@pytest.mark.filterwarnings("ignore:parameter group .* the decay multiplies")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("settings", FORMATS, ids=str)
@pytest.mark.parametrize("name", [entry.name for entry in registry.entries() if entry.rule.sparse != "required"])
def test_pieces_end_as_the_whole(name: str, settings: dict[str, Any], dtype: torch.dtype) -> None:
    if "capturable" in settings and name in ("SGD", "Adagrad"):
        pytest.skip("torch's class has no such flag")
    momentum = {"momentum": 0.9} if name == "SGD" else {}
    cls = getattr(halflife, name)
    assert_equal_bits(cls, dtype, decay="decoupled", regularizer=TowardInit(), **settings, **momentum)


@pytest.mark.parametrize("regularizer", [L1(), OnSubset(L1(), MASK), GroupLasso(1)], ids=lambda R: type(R).__name__)
def test_what_knows_its_place_is_not_cut(regularizer: Any) -> None:
    assert_equal_bits(halflife.ProxAdam, torch.float32, regularizer=regularizer)


def test_a_list_is_cut_between_its_tensors() -> None:
    params = [torch.nn.Parameter(torch.ones(20, 30)) for _ in range(7)]
    optimizer = halflife.AdamW(params, engine="foreach", lr=0.1)
    for p in params:
        p.grad = torch.ones(20, 30)
    optimizer.step()
    assert all(torch.equal(p, params[0]) and p[0, 0] < 0.95 for p in params)
