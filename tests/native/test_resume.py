"""In mid-run, in every format: a file, a copy and a pickle of model and optimizer go on bit for bit, by this engine."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch

import halflife

from .users import needs_native, table_of

pytestmark = [needs_native, pytest.mark.filterwarnings("ignore:parameter group .* the decay multiplies")]

BF16, F16, F32, F64 = torch.bfloat16, torch.float16, torch.float32, torch.float64
FORMATS: list[tuple[str, torch.dtype, dict[str, Any]]] = [
    ("AdamW", dtype, {"state_dtype": state_dtype, "rounding": rounding, "ema_decay": 0.9, "max_grad_norm": 1.0})
    for dtype in (F32, F64, BF16, F16)
    for state_dtype in (None, F32, BF16, "8bit")
    for rounding in ("nearest", "stochastic", "kahan")
]
OTHERS: list[tuple[str, torch.dtype, dict[str, Any]]] = [
    (name, dtype, {"state_dtype": state_dtype, "rounding": rounding, **flags})
    for name, flags in (("SGDW", {"momentum": 0.9, "dampening": 0.5}), ("NAdam", {}), ("ASGD", {}), ("Lion", {}))
    for dtype, state_dtype, rounding in ((F32, None, "nearest"), (BF16, BF16, "stochastic"), (F16, "8bit", "kahan"))
]
Run = tuple[torch.nn.Module, Any]


def begun(name: str, dtype: torch.dtype, settings: dict[str, Any]) -> Run:
    """A model with a tensor of more than one chunk, that ends within a block, and two groups."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(130, 140), torch.nn.Tanh(), torch.nn.Linear(140, 3)).to(dtype)
    weights, biases = ([p for p in model.parameters() if (p.dim() > 1) == wide] for wide in (True, False))
    groups = [{"params": weights}, {"params": biases, "weight_decay": 0.0, "lr": 0.03}]
    return model, getattr(halflife, name)(groups, lr=0.01, weight_decay=0.1, **settings)


def train(run: Run, first: int, steps: int = 3) -> None:
    model, optimizer = run
    dtype = next(model.parameters()).dtype
    for k in range(first, first + steps):
        generator = torch.Generator().manual_seed(k)
        optimizer.zero_grad()
        model(torch.randn(8, 130, generator=generator).to(dtype)).float().pow(2).mean().backward()
        optimizer.step()
    assert table_of(optimizer) is not None, "all groups are stepped natively"


def bits(run: Run) -> list[tuple[str, torch.Tensor]]:
    model, optimizer = run
    states = [(name, x) for p in model.parameters() for name, x in sorted(optimizer.state[p].items())]
    return [(name, x.detach().clone()) for name, x in (*model.named_parameters(), *states)]


def equal(a: list[tuple[str, torch.Tensor]], b: list[tuple[str, torch.Tensor]]) -> bool:
    return len(a) == len(b) and all(
        m == n and x.dtype == y.dtype and torch.equal(x, y) for (m, x), (n, y) in zip(a, b, strict=True)
    )


def by_file(run: Run, anew: Callable[[], Run]) -> Run:
    file = io.BytesIO()
    torch.save([part.state_dict() for part in run], file)
    file.seek(0)
    other = anew()
    for part, saved in zip(other, torch.load(file, weights_only=True), strict=True):
        part.load_state_dict(saved)
    return other


def by_copy(run: Run, _: Callable[[], Run]) -> Run:
    return copy.deepcopy(run)


def by_pickle(run: Run, _: Callable[[], Run]) -> Run:
    return pickle.loads(pickle.dumps(run))


@pytest.mark.parametrize("duplicate", [by_file, by_copy, by_pickle])
@pytest.mark.parametrize("setting", [*FORMATS, *OTHERS], ids=str)
def test_goes_on_bit_for_bit(setting: Any, duplicate: Any) -> None:
    run = begun(*setting)
    train(run, 0)
    twin = duplicate(run, lambda: begun(*setting))
    assert equal(bits(twin), bits(run))
    train(twin, 3)
    there = bits(twin)
    assert not equal(there, bits(run)), "the one is not the other"
    train(run, 3)
    assert equal(bits(run), there)
    assert equal(bits(twin), there)
