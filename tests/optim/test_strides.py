"""Strided, transposed and sliced parameters: right, and nothing written outside a view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from .layouts import (
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

POISON = 777.0
VIEWS: dict[str, tuple[tuple[int, ...], Callable[[torch.Tensor], torch.Tensor]]] = {
    "every other": ((12,), lambda b: b[::2]),
    "last but first": ((9,), lambda b: b[1:-1]),
    "column": ((5, 4), lambda b: b[:, 1]),
    "block": ((6, 8), lambda b: b[1:4, 2:7:2]),
    "transposed": ((4, 3), lambda b: b.t()),
    "transposed block": ((6, 5), lambda b: b[1:4, 1:3].t()),
    "channels_last": ((2, 5, 4, 3), lambda b: b.permute(0, 3, 1, 2)[:, :2]),
    "0-d": ((3,), lambda b: b[1]),
}


def strided(view: str) -> tuple[torch.Tensor, torch.nn.Parameter]:
    """A poisoned piece of memory, and a parameter that is a view of some of it."""
    shape, look = VIEWS[view]
    memory = torch.full(shape, POISON, dtype=torch.float64)
    p = torch.nn.Parameter(look(memory))
    p.data.copy_(noise(tuple(p.shape)))
    return memory, p


@each
@each_engine
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("gradient", ["packed", "strided alike"])
def test_strided_parameters(name: str, engine: dict[str, bool], view: str, gradient: str) -> None:
    memory, p = strided(view)
    packed = torch.nn.Parameter(p.detach().clone(memory_format=torch.contiguous_format))

    def grads(k: int, x: torch.Tensor) -> torch.Tensor:
        g = random_gradients(k, x)
        return strided(view)[1].detach().copy_(g) if x is p and gradient == "strided alike" else g

    expected = train(ours(name)([packed], lr=0.1, weight_decay=0.2, **engine), grads)[0]
    found = train(ours(name)([p, torch.nn.Parameter(torch.ones(2))], lr=0.1, weight_decay=0.2, **engine), grads)[0]
    assert (found == expected).all()
    assert (memory == POISON).sum() == memory.numel() - p.numel()


@each_setting
@each_engine
def test_states_are_laid_out_as_torchs(name: str, flags: dict[str, Any], engine: dict[str, bool]) -> None:
    states = []
    for optimizer_class in both(name):
        p = torch.nn.Parameter(noise((2, 3, 4, 5)).to(memory_format=torch.channels_last))
        q = torch.nn.Parameter(noise((3, 4)).t())
        optimizer = optimizer_class([p, q], **flags, **asked_of(optimizer_class, engine))
        train(optimizer, lambda k, x: torch.empty_like(x).copy_(random_gradients(k, x)))
        states.append([tensors_of(optimizer.state[x]) for x in (p, q)])
    assert states[0] == states[1]
