"""How a group's weights and states lie in memory between two steps, in what they are computed, and the way across."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from ..rules import Scalar
from ..sharded.region import region_of
from .formats import HALF, NEAREST_8BIT, decode_8bit, dither, dithered, encode_8bit, seed_of, turned, wide

Rounding = Literal["nearest", "stochastic", "kahan"]
StateDtype = torch.dtype | Literal["8bit"] | None
ParameterState = dict[str, Any]

SCALE = "_scale"
"""What is added to a state's name for the scales of its 8-bit codes."""

WEIGHT_SALT, STATE_SALT = 7, 101


@dataclass(frozen=True)
class Memory:
    """What a group keeps its numbers in; the arithmetic between is float32, or float64 where the parameter is.

    ``rounding`` is of weights in bfloat16 and half; decay and step share it, once a step, with w′ the new weight in
    float32 and t the step count:

    - "nearest": ``p ← round(w′)``;
    - "stochastic": ``p ← dithered(w′)``, by the random bits of seed(t, 7);
    - "kahan": ``p ← round(w′)``, ``kahan ← round(w′ − p)``, both to p's dtype, 0 where that is not finite; the next
      step begins at ``w = p + kahan``.

    ``state_dtype`` is of the rule's states for each coordinate. None keeps them in the parameter's dtype, rounded to
    nearest, as torch does; torch.float32 rounds to nearest too; torch.bfloat16 and "8bit" are dithered, all by the
    bits of seed(t, 101), turned right by 12·k for the k-th state (from 0, in the order of ``rule.states``). First
    values, and what is loaded from another format, are rounded to nearest. Random bits go by the flat, row-major index,
    whatever the strides; of a shard by that in the whole tensor, but for codes, whose blocks are the shard's own. A
    state that somebody else put there in another floating-point dtype stays in it where ``state_dtype`` is None.

    ``never_negative`` names the states whose 8-bit codes need no sign.
    """

    rounding: Rounding = "nearest"
    state_dtype: StateDtype = None
    never_negative: tuple[str, ...] = field(default=(), compare=False)

    def signed(self, name: str) -> bool:
        """Whether a state's codes need a sign."""
        return name not in self.never_negative

    def as_is(self, p: Tensor) -> bool:
        """Whether what lies in memory is what is computed with."""
        return p.dtype not in HALF and (self.state_dtype is None or self.state_dtype == p.dtype)

    @property
    def dithers_states(self) -> bool:
        return self.state_dtype in (torch.bfloat16, "8bit")

    def needs_clock(self, dtype: torch.dtype) -> bool:
        """Whether the dither of a parameter of this dtype asks for a step count even where the rule has none."""
        return self.dithers_states or (self.rounding == "stochastic" and dtype in HALF)

    def read_weights(self, p: Tensor, state: ParameterState) -> Tensor:
        w = p.to(wide(p.dtype), copy=True)
        return w.add_(state["kahan"]) if self.rounding == "kahan" and p.dtype in HALF else w

    def write_weights(self, p: Tensor, state: ParameterState, w: Tensor, t: Scalar, at: int = 0) -> None:
        if p.dtype not in HALF or self.rounding == "nearest":
            p.copy_(w)
        elif self.rounding == "stochastic":
            p.copy_(dithered(w, p.dtype, dither(p.numel(), seed_of(t, WEIGHT_SALT), p.device, at, region_of(p))))
        else:
            p.copy_(w)
            rest = w - p
            state["kahan"].copy_(rest.masked_fill_(~rest.isfinite(), 0.0))

    def write_state(
        self, p: Tensor, state: ParameterState, name: str, x: Tensor, t: Scalar | None, k: int = 0, at: int = 0
    ) -> None:
        """Keep a new state, the rule's k-th, rounded by the dither of step t, or to nearest where that is None.

        ``at`` is the place of the first coordinate, where x is a piece of a tensor: a multiple of ``BLOCK``.
        """
        x = x.to_dense() if x.is_sparse else x
        random = None
        if t is not None and self.dithers_states:
            region = None if self.state_dtype == "8bit" else region_of(p)
            random = turned(dither(x.numel(), seed_of(t, STATE_SALT), x.device, at, region), k)
        if self.state_dtype == "8bit":
            r = NEAREST_8BIT if random is None else random & 0xFFFFF
            codes, scale = encode_8bit(x, r, signed=self.signed(name))
            _keep(state, name, codes)
            _keep(state, name + SCALE, scale)
        elif random is not None:
            _keep(state, name, dithered(x, torch.bfloat16, random))
        else:
            old = state.get(name) if self.state_dtype is None else None
            own = old.dtype if isinstance(old, Tensor) and old.is_floating_point() else self.dtype_of_states(p)
            _keep(state, name, x, own)

    def dtype_of_states(self, p: Tensor) -> torch.dtype:
        """What the states' own tensors are in: codes are bytes."""
        if self.state_dtype is None:
            return p.dtype
        return self.state_dtype if isinstance(self.state_dtype, torch.dtype) else torch.uint8


def decoded(state: Mapping[str, Any], name: str, dtype: torch.dtype, signed: bool) -> Tensor:
    """A state as a dense tensor of numbers, whatever it is kept in."""
    x: Tensor = state[name]
    if x.dtype is torch.uint8:
        return decode_8bit(x, state[name + SCALE], signed=signed).to(dtype)
    return (x.to_dense() if x.is_sparse else x).to(dtype)


def _keep(state: ParameterState, name: str, x: Tensor, dtype: torch.dtype | None = None) -> None:
    """Into the memory of the old one where that has the right form, else in its place."""
    old, dtype = state.get(name), dtype or x.dtype
    if isinstance(old, Tensor) and old.dtype == dtype and old.shape == x.shape and not old.is_sparse:
        old.copy_(x)
    else:
        state[name] = x.to(dtype, copy=True)
