"""The codes themselves: what they stand for, how they round, and that their dither is the same everywhere."""

from __future__ import annotations

import math
import struct

import pytest
import torch

from halflife.engines.formats import BLOCK, NEAREST_8BIT, decode_8bit, dither, dithered, encode_8bit, seed_of

U32 = 0xFFFFFFFF
KINDS = pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])


def hashed(i: int, seed: int) -> int:
    x = (i * 0x9E3779B1 + seed) & U32
    x ^= x >> 16
    x = (x * 0x85EBCA6B) & U32
    return x ^ x >> 13


def float_of(bits: int) -> float:
    return struct.unpack("f", struct.pack("I", bits))[0]


def bits_of(x: float) -> int:
    return struct.unpack("I", struct.pack("f", x))[0]


def noise(n: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, generator=generator) * torch.exp(4 * torch.randn(n, generator=generator))


@pytest.mark.parametrize("t", [1, 2, 1000, 16_777_216])
@pytest.mark.parametrize("salt", [7, 101, 103])
def test_the_dither_is_the_hash_that_is_written_down(t: int, salt: int) -> None:
    seed = (t * 0x632BE5AB + salt) % 2**32
    assert seed_of(float(t), salt) == seed
    assert seed_of(torch.tensor(float(t)), salt).item() == seed
    for found in (dither(2000, seed), dither(2000, seed_of(torch.tensor(float(t)), salt))):
        assert [x & U32 for x in found.tolist()] == [hashed(i, seed) for i in range(2000)]


def test_the_dither_is_uniform_and_forgets() -> None:
    draws = torch.stack([dither(4096, seed_of(t, 101)) & 0xFFFFF for t in range(1, 65)]).double() / 2**20
    assert draws.mean().item() == pytest.approx(0.5, abs=4 / math.sqrt(12 * draws.numel()))
    centred = draws - 0.5
    for lagged in (
        (centred[1:], centred[:-1]),
        (centred[:, 1:], centred[:, :-1]),
        (centred[1:, 1:], centred[:-1, :-1]),
    ):
        assert abs((lagged[0] * lagged[1]).mean().item() * 12) < 4 / math.sqrt(lagged[0].numel())


@KINDS
def test_what_the_codes_stand_for(signed: bool) -> None:
    codes = torch.arange(256).to(torch.uint8)
    found = decode_8bit(codes, torch.ones(1), signed=signed).tolist()
    for code, x in enumerate(found):
        magnitude = code & 0x7F if signed else code
        expected = float_of((magnitude + (889 if signed else 761)) << 20) if magnitude else 0.0
        assert x == (-expected if signed and code & 0x80 else expected)
    assert max(found) == 1.0


@KINDS
@pytest.mark.parametrize("scale", [1.0, 0.37, 1e-30, 3e30])
def test_every_code_comes_back(signed: bool, scale: float) -> None:
    codes = torch.arange(256).to(torch.uint8)
    x = decode_8bit(codes, torch.tensor([scale]), signed=signed)
    again, scales = encode_8bit(x, NEAREST_8BIT, signed=signed)
    assert torch.equal(again, codes)
    assert scales.item() == pytest.approx(scale, rel=1e-7)


@KINDS
@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 1000])
def test_encoding_literally(n: int, signed: bool) -> None:
    """Number by number, in Python's own integers."""
    x = noise(n) if signed else noise(n).abs()
    x[::7] = 0
    r = dither(n, 12345) & 0xFFFFF
    codes, scale = encode_8bit(x, r, signed=signed)
    assert scale.shape == (-(-n // BLOCK),)
    for i, value in enumerate(x.tolist()):
        largest = x[i // BLOCK * BLOCK :][:BLOCK].abs().max()
        assert scale[i // BLOCK] == largest
        octave = (bits_of(float(abs(x[i]) / largest)) + int(r[i])) >> 20
        code = min(max(octave - 889, 0), 127) if signed else min(max(octave - 761, 1), 255)
        expected = (0 if value == 0 else code) | (0x80 if value < 0 else 0)
        assert codes[i].item() == expected


@KINDS
def test_nearest_is_within_half_a_spacing(signed: bool) -> None:
    x = noise(4096) if signed else noise(4096).abs()
    found = decode_8bit(*encode_8bit(x, NEAREST_8BIT, signed=signed), signed=signed)
    largest = x.view(-1, BLOCK).abs().amax(1).repeat_interleave(BLOCK)
    normal = x.abs() > largest * (2.0**-15 if signed else 2.0**-31)
    assert ((found - x).abs() <= x.abs() / 16 * 1.0001)[normal].all()
    assert normal.float().mean() > 0.3
    assert signed or (found > 0).all()


@KINDS
def test_dithered_codes_are_right_on_average(signed: bool) -> None:
    x = torch.linspace(0.011, 1.0, BLOCK)
    runs = [decode_8bit(*encode_8bit(x, dither(BLOCK, s) & 0xFFFFF, signed=signed), signed=signed) for s in range(2000)]
    error = torch.stack(runs).double().mean(0) / x - 1
    assert error.abs().max() < 5 * 0.125 / 2 / math.sqrt(2000)


@KINDS
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so_and_spoils_its_block_alone(signed: bool, bad: float) -> None:
    x = noise(3 * BLOCK).abs()
    x[300] = bad
    codes, scale = encode_8bit(x, NEAREST_8BIT, signed=signed)
    found = decode_8bit(codes, scale, signed=signed)
    assert not found[300].isfinite()
    assert found[:BLOCK].isfinite().all()
    assert found[2 * BLOCK :].isfinite().all()


@KINDS
def test_a_block_of_zeros_is_a_block_of_zeros(signed: bool) -> None:
    codes, scale = encode_8bit(torch.zeros(2, 200), dither(400, 3) & 0xFFFFF, signed=signed)
    assert (codes == 0).all()
    assert (decode_8bit(codes, scale, signed=signed) == 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("value", [1.003, -0.7001, 3e-5, -7.1e-7, 2.0**-15, 1234.56])
def test_half_precision_is_dithered_between_its_neighbours(dtype: torch.dtype, value: float) -> None:
    """Also among half's subnormal numbers, 3e-5 and 7.1e-7."""
    x = torch.full((8000,), value)
    found = dithered(x, dtype, dither(8000, 99)).double()
    low, high = found.min(), found.max()
    assert low <= x[0] <= high
    assert len(found.unique()) == (1 if x[0].to(dtype) == x[0] else 2)
    if high > low:
        assert torch.nextafter(low.to(dtype), torch.tensor(float("inf"), dtype=dtype)) == high
        assert abs(found.mean() - x[0].double()) < 4 * 0.5 * (high - low) / math.sqrt(8000)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_keeps_what_it_can_hold(dtype: torch.dtype) -> None:
    exact = noise(5000).to(dtype)
    exact[:6] = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 65504.0]).to(dtype)
    found = dithered(exact.float(), dtype, dither(5000, 5))
    assert found.isnan().equal(exact.isnan())
    assert torch.equal(found.view(torch.int16)[1:], exact.view(torch.int16)[1:])
