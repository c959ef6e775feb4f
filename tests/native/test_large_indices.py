"""Tensors of more than 2³¹ coordinates, through the whole library, in a few megabytes of memory.

The middle of each tensor is one small piece of memory, mapped again and again; the first and the last page are its own.
All is zero in the middle, so that a step writes there what was there. Pages that nobody may touch lie on both sides: an
index of 32 bits would end the process there, or step the beginning of a tensor twice and its end never.
"""

from __future__ import annotations

import ctypes
import mmap
import os

import pytest
import torch

import halflife
from halflife.regularizers import L2, OnSubset

from .users import ENGINES, needs_native

pytestmark = [needs_native, pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="Linux alone maps memory so")]

N = (1 << 31) + 5
PAGE, PIECE = mmap.PAGESIZE, 1 << 24
FIXED, NO_RESERVE = 0x10, 0x4000
PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE
READ_AND_WRITE = mmap.PROT_READ | mmap.PROT_WRITE
HEAD = torch.arange(256)
ENDS = torch.cat([HEAD, torch.arange(N - 5, N)])
"""The first block of an 8-bit state, and what lies beyond 2³¹."""


def map_pages(at: int | None, size: int, protection: int, flags: int, file: int = -1) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_int64)
    address = libc.mmap(at, size, protection, flags, file, 0)
    assert address not in (None, ctypes.c_void_p(-1).value), os.strerror(ctypes.get_errno())
    return address


@pytest.fixture
def zeros():
    """Makes tensors of N zeros, of which the first and the last page alone are memory of their own."""
    mapped: list[tuple[int, int]] = []

    def make(dtype: torch.dtype) -> torch.Tensor:
        size = -(-N * dtype.itemsize // PAGE) * PAGE
        mapped.append((map_pages(None, size + 2 * PAGE, 0, PRIVATE), size + 2 * PAGE))
        start, end = mapped[-1][0] + PAGE, mapped[-1][0] + PAGE + size
        file = os.memfd_create("piece")
        os.ftruncate(file, PIECE)
        for at in range(start + PAGE, end - PAGE, PIECE):
            map_pages(at, min(PIECE, end - PAGE - at), READ_AND_WRITE, mmap.MAP_SHARED | FIXED, file)
        os.close(file)
        for page in (start, end - PAGE):
            map_pages(page, PAGE, READ_AND_WRITE, PRIVATE | FIXED)
        return torch.frombuffer((ctypes.c_char * (N * dtype.itemsize)).from_address(start), dtype=dtype)

    yield make
    libc = ctypes.CDLL(None)
    for address, size in mapped:
        libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(size))


def filled(x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    x[ENDS] = values.to(x.dtype)
    return x


@pytest.mark.parametrize("engine", ENGINES)
def test_every_coordinate_is_stepped_once(zeros, engine: str) -> None:
    w, g, mask = torch.sin(ENDS.double()), torch.cos(ENDS.double()), ENDS % 3 > 0
    p, twin = torch.nn.Parameter(filled(zeros(torch.float32), w)), torch.nn.Parameter(w.float())
    for q, its_mask, gradient in (
        (p, filled(zeros(torch.bool), mask), filled(zeros(torch.float32), g)),
        (twin, mask, g),
    ):
        decay = {"weight_decay": 0.5, "decay": "decoupled", "regularizer": OnSubset(L2(), its_mask)}
        optimizer = halflife.SGD([q], lr=0.1, max_grad_norm=1.0, engine=engine, **decay)
        q.grad = gradient.float()
        optimizer.step()
        assert optimizer.engines()[0].name == engine
        assert optimizer.grad_norm == pytest.approx(g.norm().item(), rel=1e-6)
    torch.testing.assert_close(p[ENDS], twin)
    assert not p[len(HEAD) : PIECE].any()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_every_block_of_an_8_bit_state_has_its_own_scale(zeros, engine: str) -> None:
    values = torch.where(ENDS < N - 5, 0.5, -2.0)
    p = torch.nn.Parameter(filled(zeros(torch.bfloat16), values))
    optimizer = halflife.Adam([p], lr=0.25, state_dtype="8bit", engine=engine)
    state = {name: zeros(torch.uint8) for name in ("exp_avg", "exp_avg_sq")}
    state |= {f"{name}_scale": torch.zeros(-(-N // 256)) for name in state}
    optimizer.state[p].update(state, step=torch.zeros(()))
    p.grad = filled(zeros(torch.bfloat16), values)
    optimizer.step()
    assert optimizer.engines()[0].name == engine
    torch.testing.assert_close(p[ENDS].float(), values - 0.25 * values.sign())
    for name, share, power in (("exp_avg", 0.1, 1), ("exp_avg_sq", 0.001, 2)):
        scale = optimizer.state[p][f"{name}_scale"]
        torch.testing.assert_close(scale[[0, -1]], share * torch.tensor([0.5, 2.0]) ** power)
        assert scale.count_nonzero() == 2
