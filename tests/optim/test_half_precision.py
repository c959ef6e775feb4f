"""Half precision runs and stays in its dtype; states are torch's."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

from .layouts import (
    ENGINES,
    HALVES,
    both,
    each,
    each_engine,
    each_setting,
    noise,
    ours,
    random_gradients,
    tensors_of,
    train,
)
from .users import asked_of

pytestmark = pytest.mark.filterwarnings("ignore:parameter group .* the decay multiplies")


@each_setting
@each_engine
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_half_precision(name: str, flags: dict[str, Any], engine: dict[str, bool], dtype: torch.dtype) -> None:
    runs, states = [], []
    for optimizer_class in both(name):
        p = torch.nn.Parameter(noise((4, 5)).to(dtype))
        eps = {"eps": 1e-3} if "eps" in inspect.signature(optimizer_class).parameters else {}
        settings = {**flags, **eps, **asked_of(optimizer_class, engine)}
        optimizer = optimizer_class([p, torch.nn.Parameter(p.detach().clone())], lr=0.05, **settings)
        runs.append(train(optimizer, random_gradients, steps=4)[0])
        states.append(tensors_of(optimizer.state[p]))
    assert runs[1].dtype == dtype
    assert states[0] == states[1]
    assert (runs[0].double() - runs[1].double()).abs().max() <= 16 * torch.finfo(dtype).eps
    assert (runs[1].double() - noise((4, 5))).abs().max() > 0.01


@each
@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("decay", ["coupled", "decoupled", "independent", "proximal", "euclidean", "cautious"])
def test_half_precision_under_every_decay(name: str, dtype: torch.dtype, decay: str) -> None:
    for engine in ENGINES:
        params = [torch.nn.Parameter(noise((4, 5)).to(dtype)) for _ in range(2)]
        optimizer = ours(name)(params, lr=0.05, weight_decay=0.1, decay=decay, **engine)
        found = train(optimizer, random_gradients)[0]
        assert found.dtype == dtype
        assert found.isfinite().all()
        assert all(x.dtype == dtype for s in optimizer.state.values() for x in s.values() if x.dim())


@each_setting
@pytest.mark.parametrize("flag", [{}, *ENGINES, {"fused": True}, {"differentiable": True}], ids=str)
@pytest.mark.parametrize("default", [torch.float32, torch.float64], ids=str)
def test_states_are_torchs(name: str, flags: dict[str, Any], flag: dict[str, bool], default: torch.dtype) -> None:
    if "fused" in flag and "fused" not in inspect.signature(ours(name)).parameters:
        flag = {}
    states = []
    torch.set_default_dtype(default)
    try:
        for optimizer_class in both(name):
            params = [noise((3, 2), dtype=torch.float32), noise((), dtype=torch.float64)]
            optimizer = optimizer_class(params, **flags, **asked_of(optimizer_class, flag))
            train(optimizer, random_gradients, steps=2)
            states.append([tensors_of(optimizer.state[p]) for p in params])
    finally:
        torch.set_default_dtype(torch.float32)
    assert states[0] == states[1]
