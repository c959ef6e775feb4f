"""Threads: those that share one step's chunks, and those of a user who steps several optimizers at once.

`make sanitize-threads` runs this file under ThreadSanitizer. The tensors are large enough to be shared by four threads
(``WORTH_A_THREAD`` in native/dispatch.cpp), and end within a chunk, a tile and a block.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any

import pytest
import torch

import halflife
from halflife.regularizers import L1, L2, Box, GroupLasso, Huber, Sum, TowardInit

from .users import ENGINES, needs_native, table_of

needs_compiler = pytest.mark.skipif("compiled" not in ENGINES, reason="there is no C++ compiler here")

pytestmark = [needs_native, pytest.mark.filterwarnings("ignore:parameter group .* the decay multiplies")]

SHAPES = ((70_001,), (512, 130), (5,))
STEPS = 20 if "libtsan" in os.environ.get("LD_PRELOAD", "") else 200  # a step takes tenfold the time there
ALL = ["ASGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "NAdam", "RAdam", "Adamax", "Rprop", "Lion", "SGDW"]
BF16, F16, F32, F64 = torch.bfloat16, torch.float16, torch.float32, torch.float64

RULES: list[tuple[str, torch.dtype, dict[str, Any]]] = [
    *((name, F32, {}) for name in ALL),
    *((name, BF16, {"state_dtype": "8bit", "rounding": "stochastic"}) for name in ALL),
    ("RMSprop", F32, {"momentum": 0.5, "centered": True}),
    ("Adam", F32, {"amsgrad": True}),
]
FORMATS = [
    ("AdamW", dtype, {"state_dtype": state_dtype, "rounding": rounding, "ema_decay": 0.9})
    for dtype in (F32, F64, BF16, F16)
    for state_dtype in (None, F32, BF16, "8bit")
    for rounding in ("nearest", "stochastic", "kahan")
]
PASSES = [
    ("AdamW", F32, {"max_grad_norm": 0.1}),
    ("AdamW", BF16, {"max_grad_norm": 0.1, "skip_nonfinite": True}),
    *(("Adam", F32, {"decay": decay, "regularizer": Huber()}) for decay in ("coupled", "decoupled")),
    *(("Adam", F32, {"decay": "proximal", "regularizer": R}) for R in (L1(), Box(-0.5, 0.5))),
    *(("Adam", dtype, {"decay": "euclidean", "regularizer": TowardInit()}) for dtype in (F32, F16)),
    *(("Adam", dtype, {"decay": "cautious"}) for dtype in (F64, BF16)),
    ("SGDW", F32, {"momentum": 0.9, "decay": "proximal", "regularizer": GroupLasso(dim=-1)}),
    ("Adam", F32, {"decay": "proximal", "regularizer": GroupLasso(dim=-1), "state_dtype": "8bit"}),
    ("Adam", F32, {"decay": "proximal", "regularizer": Sum(L1(), L2())}),
]


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def trained(
    name: str,
    dtype: torch.dtype,
    settings: dict[str, Any],
    steps: int = 3,
    ready: Callable[[], Any] = int,
    engine: str | None = None,
) -> list[torch.Tensor]:
    """All that the steps of two groups left: weights, then states. ``ready`` is called before each step."""
    params = [torch.linspace(-1, 1, prod(s)).view(s).to(dtype).requires_grad_() for s in SHAPES]
    groups = [{"params": params[:2]}, {"params": params[2:], "lr": 0.02}]
    optimizer = getattr(halflife, name)(groups, lr=0.01, weight_decay=0.1, engine=engine, **settings)
    for k in range(steps):
        for p in params:
            p.grad = torch.sin(p.detach() * (k + 1))
        ready()
        optimizer.step()
    assert table_of(optimizer) is not None
    states = [x for p in params for x in optimizer.state[p].values()]
    return [x.detach().clone() for x in (*params, *states)]


def equal(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(map(torch.equal, a, b))


@pytest.mark.parametrize(("name", "dtype", "settings"), [*RULES, *FORMATS, *PASSES], ids=str)
def test_a_step_shared_by_threads_has_the_bits_of_one(name: str, dtype: torch.dtype, settings: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    alone = trained(name, dtype, settings)
    for threads in (2, 4):
        torch.set_num_threads(threads)
        assert equal(trained(name, dtype, settings), alone)


@needs_compiler
@pytest.mark.parametrize(("name", "dtype", "settings"), [*FORMATS[::3], PASSES[0]], ids=str)
def test_a_compiled_step_shared_by_threads_has_the_bits_of_one(
    name: str, dtype: torch.dtype, settings: dict[str, Any]
) -> None:
    torch.set_num_threads(1)
    alone = trained(name, dtype, settings, engine="compiled")
    torch.set_num_threads(4)
    assert equal(trained(name, dtype, settings, engine="compiled"), alone)


USERS: list[tuple[str, torch.dtype, dict[str, Any]]] = [
    ("AdamW", F32, {}),
    ("SGDW", F32, {"max_grad_norm": 1.0, "ema_decay": 0.9}),
    ("NAdam", BF16, {"state_dtype": "8bit", "rounding": "kahan"}),
    ("ASGD", F64, {"skip_nonfinite": True}),
]


@pytest.mark.parametrize(
    ("threads", "engine"),
    [(1, None), (2, None), (3, None), (4, None), pytest.param(3, "compiled", marks=needs_compiler)],
)
def test_optimizers_step_at_once_in_threads_of_their_own(threads: int, engine: str | None) -> None:
    """The steps of four optimizers, each step begun by all four together, end where those taken in turn end."""
    torch.set_num_threads(threads)
    in_turn = [trained(*user, steps=STEPS, engine=engine) for user in USERS]
    start = threading.Barrier(len(USERS), timeout=300)

    def at_once(user: tuple[str, torch.dtype, dict[str, Any]]) -> list[torch.Tensor]:
        assert torch.get_num_threads() == threads
        return trained(*user, steps=STEPS, ready=start.wait, engine=engine)

    with ThreadPoolExecutor(len(USERS)) as pool:
        found = list(pool.map(at_once, USERS))
    assert all(map(equal, found, in_turn))


def laid_over(
    ranges: list[tuple[int, int]], engine: str | None, *, group_each: bool
) -> tuple[torch.Tensor, halflife.AdamW]:
    """A buffer of which parts are stepped as parameters, each part twice and more; what is in it afterwards."""
    buffer = torch.linspace(-1, 1, 80_000)
    params = [torch.nn.Parameter(buffer[a:b]) for a, b in ranges]
    optimizer = halflife.AdamW([{"params": [p]} for p in params] if group_each else params, lr=0.1, engine=engine)
    for k in range(4):
        for p in params:
            p.grad = torch.sin(p.detach() * (k + 1))
        optimizer.step()
    return buffer, optimizer


OVERLAPS = {
    "the same memory": [(0, 80_000)] * 4,
    "shifted": [(1000 * k, 72_000 + 1000 * k) for k in range(8)],
    "one within another": [(0, 80_000), (40_000, 40_100), (79_999, 80_000)],
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("group_each", [False, True])
@pytest.mark.parametrize("name", OVERLAPS)
def test_parameters_that_share_memory_are_stepped_in_their_order(name: str, group_each: bool, engine: str) -> None:
    torch.set_num_threads(4)
    eager, _ = laid_over(OVERLAPS[name], "eager", group_each=group_each)
    for _ in range(4):
        found, optimizer = laid_over(OVERLAPS[name], engine, group_each=group_each)
        torch.testing.assert_close(found, eager, rtol=0, atol=1e-5)
        table = table_of(optimizer)
        assert table is not None
        if engine == "native":
            assert table._threads == 1


def test_parameters_side_by_side_in_one_memory_do_not_overlap() -> None:
    _, optimizer = laid_over([(40_000, 80_000), (10, 10), (0, 40_000)], None, group_each=False)
    table = table_of(optimizer)
    assert table is not None
    assert table._threads is None
