"""A table that is kept between steps never lies: any sequence of what users do, beside an eager twin."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import halflife
from halflife.regularizers import L1, L2, Huber, OnSubset, Sum, TowardInit

from .users import needs_native, table_of

pytestmark = needs_native

SHAPES = [(3, 4), (7,), (2, 3, 5)]
FIRST = torch.ones(1, dtype=torch.bool)
ACTIONS = [
    *("step", "step", "new gradients", "accumulate", "skip one", "expand", "move", "transpose", "load"),
    *("group", "replace state", "share", "lr", "decay", "engine", "flag", "maximize", "regularizer", "freeze"),
    *("reverse", "reorder states", "drop a state", "state of another"),
]


def build(name: str, dtype: torch.dtype, settings_: dict[str, Any]) -> tuple[Any, list[torch.nn.Parameter]]:
    generator = torch.Generator().manual_seed(0)
    params = [torch.nn.Parameter(torch.randn(shape, generator=generator).to(dtype)) for shape in SHAPES]
    return getattr(halflife, name)(params, lr=0.01, **settings_), params


def act(action: str, optimizer: Any, params: list[Any], seed: int) -> Any:  # noqa: PLR0912
    """One thing that a user might do; the same to both twins."""
    generator, p, group = torch.Generator().manual_seed(seed), params[seed % 3], optimizer.param_groups[0]
    match action:
        case "accumulate":
            p.grad = torch.ones_like(p) if p.grad is None else p.grad + 1
        case "skip one" | "new gradients":
            for q in params:
                q.grad = torch.randn(q.shape, generator=generator).to(q.dtype)
            p.grad = None if action == "skip one" else p.grad
        case "expand":
            p.grad = torch.full((), 0.5, dtype=p.dtype).expand(p.shape)
        case "move":
            p.data = p.data.clone()
        case "transpose":
            params[0].data = params[0].data.t().contiguous().t()
        case "load":
            optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        case "group" if len(optimizer.param_groups) == 1:
            other = torch.ones(15, dtype=p.dtype)
            params.append(torch.nn.Parameter(other[::3] if seed % 2 else other[:5]))  # with gaps, not for native
            optimizer.add_param_group({"params": [params[-1]]})
        case "replace state" | "share":
            for name, x in optimizer.state.get(p, {}).items():
                if x.dim():
                    optimizer.state[p][name] = x.clone() if action == "replace state" else x.share_memory_()
        case "lr":
            group["lr"] = 0.001 * (1 + seed % 7)
        case "decay":
            group["weight_decay"] = 0.1 * (seed % 3)
        case "engine" if optimizer.defaults["engine"] != "eager":
            group["engine"] = (None, "native", "foreach", "eager")[seed % 4]
        case "flag":
            group["foreach"] = (None, True, False)[seed % 3]
        case "reverse":
            group["params"].reverse()
        case "reorder states" | "drop a state" if p in optimizer.state:
            state = optimizer.state.pop(p)
            if action == "reorder states":
                optimizer.state[p] = state
        case "state of another":
            optimizer.state[torch.ones(1)] = {"step": torch.tensor(7.0)}
        case "maximize":
            group["maximize"] = not group["maximize"]
        case "regularizer":
            group["regularizer"] = (L2(), TowardInit(), Sum(Huber(0.3), L2()), OnSubset(L2(), FIRST))[seed % 4]
        case "freeze":
            p.requires_grad_(not p.requires_grad)
    if action in ("step", "expand", "accumulate", "new gradients", "skip one", "move", "transpose", "share"):
        optimizer.step()
    return optimizer


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    name=st.sampled_from(["AdamW", "SGDW", "RMSprop", "NAdam", "ASGD", "Adagrad", "Rprop", "ProxAdam", "Lion"]),
    actions=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 99)), min_size=4, max_size=14),
    extra=st.sampled_from([{}, {"max_grad_norm": 0.5}, {"ema_decay": 0.9}, {"skip_nonfinite": True}]),
)
def test_native_and_its_eager_twin_stay_together(dtype: torch.dtype, name: str, actions: Any, extra: Any) -> None:
    twins = [build(name, dtype, {**extra, "engine": engine}) for engine in (None, "eager")]
    for action, seed in actions:
        twins = [(act(action, optimizer, params, seed), params) for optimizer, params in twins]
    tolerance = 1e-11 if dtype is torch.float64 else 2e-5
    for p, q in zip(twins[0][1], twins[1][1], strict=True):
        torch.testing.assert_close(p, q, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("flags", [{}, {"state_dtype": "8bit"}, {"max_grad_norm": 1.0, "ema_decay": 0.9}], ids=str)
def test_same_bits_for_any_number_of_threads(flags: dict[str, Any]) -> None:
    runs = []
    for threads in (1, 2, 3, 4):
        torch.set_num_threads(threads)
        p = torch.nn.Parameter(torch.linspace(-1, 1, 300_001))
        optimizer = halflife.ProxAdam([p], lr=0.1, weight_decay=0.1, regularizer=L1(), **flags)
        for k in range(3):
            p.grad = torch.sin(torch.arange(300_001) * (k + 1.0))
            optimizer.step()
        runs.append(p.detach().clone())
    torch.set_num_threads(1)
    assert all(torch.equal(run, runs[0]) for run in runs)


def test_autograd_notices_that_a_saved_weight_has_changed() -> None:
    p = torch.nn.Parameter(torch.ones(4))
    optimizer = halflife.AdamW([p])
    for _ in range(3):
        loss = (p * p).sum()
        p.grad = torch.ones(4)
        optimizer.step()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("owners", [(0, 1), (1, 0)])
def test_states_put_back_in_any_order_are_their_parameters(order: tuple[int, int], owners: tuple[int, int]) -> None:
    """Also where the states themselves lie in the order of before, each under the other's parameter."""
    weights: list[list[float]] = []
    for engine in (None, "eager"):
        params = [torch.nn.Parameter(torch.ones(4)) for _ in range(2)]
        optimizer = halflife.SGD(params, lr=0.1, momentum=0.9, engine=engine)
        for k in range(4):
            for i, p in enumerate(params):
                p.grad = torch.full((4,), float(i))
            if k == 2:
                states = [optimizer.state.pop(p) for p in params]
                optimizer.state.update({params[owners[i]]: states[i] for i in order})
            optimizer.step()
        weights.append([p[0].item() for p in params])
    assert weights[0] == pytest.approx(weights[1], rel=1e-6)


def test_table_is_kept_where_nothing_but_gradients_moved() -> None:
    optimizer, params = build("AdamW", torch.float32, {})
    tables = []
    for k in range(3):
        for p in params:
            p.grad = torch.full_like(p, float(k))
        optimizer.step()
        tables.append(table_of(optimizer))
    assert tables[0] is tables[1] is tables[2] is not None
