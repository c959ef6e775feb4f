"""Numbers in fewer bits: 8-bit floats under a block scale, bfloat16 and half, rounded by a dither that anyone can redo.

All orders are flat (row-major) and all integer arithmetic is modulo 2³², so that every engine gives the same bits.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..rules import Scalar
from ..sharded.region import ShardRegion

HALF = (torch.bfloat16, torch.float16)
"""What is kept in these is computed in float32."""

BLOCK = 256
"""Consecutive numbers that share one scale, their largest magnitude."""

NEAREST_8BIT = 1 << 19
"""The rounding term that takes x to the nearest code; a dither of 20 random bits takes its place in training."""

_UNSIGNED, _SIGNED = 761, 889  # what brings 1.0, whose bits are 1016 << 20, to the largest code, 255 or 127
_SIGN, _MAGNITUDE = 0x80, 0x7F


def wide(dtype: torch.dtype) -> torch.dtype:
    """What a parameter of this dtype is computed in."""
    return torch.float32 if dtype in HALF else torch.complex64 if dtype is torch.complex32 else dtype


def seed_of(t: Scalar, salt: int) -> Scalar:
    """``(t·0x632BE5AB + salt) mod 2³²``: the step count t, from 1, and which of a parameter's tensors is rounded."""
    whole = t.to(torch.int64) if isinstance(t, Tensor) else int(t)
    return (whole * 0x632BE5AB + salt) & 0xFFFFFFFF


def dither(
    n: int, seed: Scalar, device: torch.device | str = "cpu", at: int = 0, region: ShardRegion | None = None
) -> Tensor:
    """32 random bits for each of n neighbours i from ``at`` on, as int32: a hash, the same on every machine::

    x = i·0x9E3779B1 + seed;  x ^= x >> 16
    x *= 0x85EBCA6B;          x ^= x >> 13

    Of a ``region`` of a tensor, i is the place in the whole.
    """
    if region is not None:
        return _hashed(region.indices(n, at, device).to(torch.int32), seed)
    x = torch.arange(at, at + n, device=device, dtype=torch.int32 if at + n < 1 << 31 else torch.int64).to(torch.int32)
    return _hashed(x, seed)


def _hashed(x: Tensor, seed: Scalar) -> Tensor:
    x *= _as_int32(0x9E3779B1)
    x += seed.to(device=x.device, dtype=torch.int32) if isinstance(seed, Tensor) else _as_int32(int(seed))
    x ^= (x >> 16) & 0xFFFF  # the masks make a logical shift of the arithmetic one
    x *= _as_int32(0x85EBCA6B)
    x ^= (x >> 13) & 0x7FFFF
    return x


def turned(x: Tensor, k: int) -> Tensor:
    """The k-th state's random bits: its coordinate's word, turned right by 12·k; a format takes the low ones of it.

    So a coordinate needs one hash, and the bits that decide a rounding are others for each of three states::

        x ← x >> r | x << (32 − r),   r = 12·k mod 32
    """
    r = 12 * k % 32
    return (x >> r) & ((1 << (32 - r)) - 1) | x << (32 - r) if r else x


def _as_int32(x: int) -> int:
    return x - (1 << 32) if x >= 1 << 31 else x


def encode_8bit(x: Tensor, r: Tensor | int, *, signed: bool) -> tuple[Tensor, Tensor]:
    """Codes shaped as x and the blocks' scales; ``r``, from 0 to 2²⁰ − 1, is the rounding term.

    With y = x·(1/scale) and ``bits`` those of the float32 y, 5 of exponent without a sign, 4 with one, 3 of mantissa::

        unsigned:  code = clamp(((bits + r) >> 20) − 761, 1, 255), 0 for x = 0
        signed:    code = clamp(((bits(|y|) + r) >> 20) − 889, 0, 127), and 0x80 for the sign bit of x

    A NaN or an infinity makes its block's scale so, and with it all that the block decodes to.
    """
    flat = x.to(torch.float32).reshape(-1)
    blocks = pad(flat, (0, -len(flat) % BLOCK)).view(-1, BLOCK)
    scale = blocks.abs().amax(1)
    inverse = (1 / scale.clamp(min=torch.finfo(torch.float32).tiny)).masked_fill(scale == 0, 0.0)
    magnitude = (blocks * inverse[:, None]).view(-1)[: len(flat)].view(torch.int32) & 0x7FFFFFFF
    octave = (magnitude + r) >> 20
    if signed:
        code = (octave - _SIGNED).clamp_(0, _MAGNITUDE).masked_fill_(flat == 0, 0)
        code |= (flat.view(torch.int32) >> 24) & _SIGN
    else:
        code = (octave - _UNSIGNED).clamp_(1, 255).masked_fill_(flat == 0, 0)
    return code.to(torch.uint8).view(x.shape), scale


def decode_8bit(codes: Tensor, scale: Tensor, *, signed: bool) -> Tensor:
    """The float32 numbers, contiguous: ``scale`` times the float whose bits are ``(code + 761 or 889) << 20``."""
    units = _units(signed).to(codes.device).index_select(0, codes.reshape(-1).int())
    blocks = pad(units, (0, -len(units) % BLOCK)).view(-1, BLOCK) * scale[:, None]
    return blocks.view(-1)[: len(units)].view(codes.shape)


@functools.cache
def _units(signed: bool) -> Tensor:
    """What the 256 codes stand for where the scale is 1."""
    codes = torch.arange(256, dtype=torch.int32, device="cpu")  # whatever device factories are told to use at that time
    magnitude = codes & _MAGNITUDE if signed else codes
    units = ((magnitude + (_SIGNED if signed else _UNSIGNED)) << 20).view(torch.float32)
    units = units.masked_fill(magnitude == 0, 0.0)
    return torch.where(codes > _MAGNITUDE, -units, units) if signed else units


def dithered(x: Tensor, dtype: torch.dtype, random: Tensor) -> Tensor:
    """x rounded to bfloat16 or half, up or down by the random bits of each number so that the mean is x.

    ``bits = (bits + (random & mask)) & ~mask``, where the mask has the 16 (bfloat16) or 13 (half) bits that are lost.
    Below half's smallest normal number 2⁻¹⁴ its spacing no longer shrinks: there 2⁻¹⁴ is added to |x| before and
    taken away after, which brings that spacing to the same 13 bits. NaN and infinities stay what they are.
    """
    flat = x.to(torch.float32).reshape(-1)
    mask = 0xFFFF if dtype is torch.bfloat16 else 0x1FFF
    y = _round_bits(flat, random, mask)
    if dtype is torch.float16:
        low = 2.0**-14
        small = (_round_bits(flat.abs() + low, random, mask) - low).copysign(flat)
        y = torch.where(flat.abs() < low, small, y)
    return torch.where(flat.isfinite(), y, flat).to(dtype).view(x.shape)


def _round_bits(x: Tensor, random: Tensor, mask: int) -> Tensor:
    return ((x.view(torch.int32) + (random & mask)) & ~mask).view(torch.float32)
