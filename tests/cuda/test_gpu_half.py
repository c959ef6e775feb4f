"""The kernels' text for a GPU does what its text for the CPU does, bit for bit, NaN for NaN."""

from __future__ import annotations

import ctypes
import shutil
from functools import partial
from importlib import import_module
from typing import Any

import pytest
import torch

import halflife
from halflife.engines import cuda
from halflife.regularizers import L1

from .emulated import Processor, compiled_text

choosing = import_module("halflife.engines.choose")
pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ here")

LENGTHS = (1, 3, 7, 255, 256, 257, 1024, 2048 + 5)
ODD = (0.0, -0.0, 1e-45, -1e-40, 1e-30, 3e38, -3e38, 1e19, float("inf"), float("-inf"), float("nan"))
CELLS: dict[str, tuple[str, torch.dtype, dict[str, Any]]] = {
    "fp32": ("AdamW", torch.float32, {}),
    "fp64": ("AdamW", torch.float64, {}),
    "bf16": ("AdamW", torch.bfloat16, {}),
    "bf16 stochastic": ("AdamW", torch.bfloat16, {"rounding": "stochastic", "ema_decay": 0.9}),
    "bf16 kahan": ("AdamW", torch.bfloat16, {"rounding": "kahan"}),
    "fp16": ("AdamW", torch.float16, {}),
    "fp16 stochastic": ("AdamW", torch.float16, {"rounding": "stochastic"}),
    "bf16 states": ("AdamW", torch.float32, {"state_dtype": torch.bfloat16}),
    "8-bit states": ("AdamW", torch.float32, {"state_dtype": "8bit"}),
    "bf16, 8-bit states": ("AdamW", torch.bfloat16, {"rounding": "stochastic", "state_dtype": "8bit"}),
    "three 8-bit states": ("Adam", torch.float32, {"state_dtype": "8bit", "amsgrad": True}),
    "RMSprop": ("RMSprop", torch.float32, {"momentum": 0.9, "centered": True}),
    "Lion": ("Lion", torch.float32, {"state_dtype": "8bit"}),
    "ProxAdam": ("ProxAdam", torch.float32, {"regularizer": L1(), "decay": "euclidean"}),
}


def engine(half: str) -> Any:
    processor = Processor(half)
    choice = choosing.Choice("compiled", partial(choosing.run_table, partial(cuda.Table, processor=processor)), half)
    choice = choosing.Choice("compiled", choice.run, half, partial(cuda.Table, processor=processor))
    return choosing.Fused(choice, partial(cuda.obstacles, processor=processor))


def trained(half: str, name: str, dtype: torch.dtype, settings: dict[str, Any], odd: bool) -> list[torch.Tensor]:
    """Weights and states after some steps; the tensors lie where vectors may and where they may not be loaded."""
    generator = torch.Generator().manual_seed(len(name))
    params = list[torch.nn.Parameter]()
    for k, length in enumerate(LENGTHS):
        room = torch.empty(length + k % 3, dtype=dtype)[k % 3 :]
        params.append(torch.nn.Parameter(room.copy_(torch.randn(length, generator=generator))))
    optimizer = getattr(halflife, name)(params, lr=0.01, weight_decay=1.0, engine="compiled", **settings)
    for t in range(3):
        for p in params:
            p.grad = torch.randn(len(p), generator=generator).to(dtype)
            if odd and t == 1:
                places = torch.arange(len(p)) % 89 == 0
                p.grad[places] = torch.tensor([ODD[i % len(ODD)] for i in range(int(places.sum()))]).to(dtype)
            if len(p) == 257:
                p.grad[100:120] = 0
        optimizer.step()
    assert {choice.reason for choice in optimizer.engines()} == {half}
    states = [x for p in params for name, x in sorted(optimizer.state[p].items()) if name != "step"]
    return [p.detach() for p in params] + states


QUICK = ("fp32", "bf16, 8-bit states")
SLOW = [pytest.param(cell, marks=pytest.mark.slow) for cell in CELLS if cell not in QUICK]


@pytest.mark.parametrize("odd", [False, True], ids=["ordinary", "odd"])
@pytest.mark.parametrize("cell", [*QUICK, *SLOW])
def test_both_halves_do_the_same(cell: str, odd: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for half in ("cpu", "gpu"):
        made = engine(half)
        monkeypatch.setattr(choosing, "_compiled", lambda made=made: made)
        results.append(trained(half, *CELLS[cell], odd))
    for a, b in zip(*results, strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a.nan_to_num(7.0), b.nan_to_num(7.0)) if a.is_floating_point() else torch.equal(a, b)
        if a.is_floating_point():
            assert torch.equal(a.isnan(), b.isnan())
            signs = a.signbit() == b.signbit()
            assert bool((signs | a.isnan()).all())


COUNT = """
static uint32_t next(uint64_t &seed) {
    return uint32_t((seed = seed * 6364136223846793005ull + 1442695040888963407ull) >> 32);
}
static float some(uint64_t &seed, bool ordinary) {
    uint32_t b = next(seed);
    return hl::float_of(ordinary ? (b & 0x87FFFFFFu) + (next(seed) % 11) * 0x01000000u + 0x37000000u : b);
}
static bool same(float a, float b) { return hl::bits_of(a) == hl::bits_of(b) || (a != a && b != b); }
extern "C" void count(long n, long *found) {
    uint64_t seed = 1;
    for (long k = 0; k < n; ++k) {
        const float a = some(seed, k % 2), b = some(seed, k % 2);
        hl::Quick divided, rooted;
        const float q = divided.divide(a, b), root = rooted.sqrt(a);
        found[0] += !divided.rare, found[1] += !divided.rare && !same(q, a / b);
        found[2] += !rooted.rare, found[3] += !rooted.rare && !same(root, std::sqrt(a));
    }
}
"""


def test_what_is_not_called_rare_is_rounded_as_ieee_has_it() -> None:
    """Whatever the approximate instructions give within their bounds; numbers of all sizes, and of a step's."""
    n, found = 4_000_000, (ctypes.c_long * 4)()
    ctypes.CDLL(compiled_text(COUNT)).count(ctypes.c_long(n), found)
    divided, wrong_quotients, rooted, wrong_roots = found
    assert (wrong_quotients, wrong_roots) == (0, 0)
    assert divided > 0.45 * n
    assert rooted > 0.25 * n
