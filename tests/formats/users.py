"""What the tests of formats share."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import halflife

from ..optim.users import TORCH

ALL = [*TORCH, "Lion"]
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in ALL),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {"momentum": 0.5, "centered": True}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {"decay": "proximal", "regularizer": halflife.regularizers.TowardInit()}),
]
NARROW = [torch.float32, torch.bfloat16, "8bit"]
SHAPES = ((3, 130), (257,), ())
MATRICES = ((3, 130), (257, 1), (5, 7))
"""For a rule that takes nothing else."""

each_setting = pytest.mark.parametrize(("name", "flags"), SETTINGS, ids=str)
each_engine = pytest.mark.parametrize("engine", [{"engine": "eager"}, {"engine": "foreach"}], ids=["eager", "foreach"])
each_format = pytest.mark.parametrize("state_dtype", NARROW, ids=str)


def ours(name: str) -> Any:
    return getattr(halflife, name)


def weights(dtype: torch.dtype = torch.float32, name: str = "SGD") -> list[torch.Tensor]:
    """Of shapes that the rule of that class takes."""
    generator = torch.Generator().manual_seed(0)
    shapes = MATRICES if name == "Muon" else SHAPES
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]


def gradients(params: list[torch.Tensor], seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1000 + seed)
    return [torch.randn(p.shape, generator=generator).to(torch.bfloat16) for p in params]


def train(optimizer: torch.optim.Optimizer, steps: int, first: int = 0) -> torch.Tensor:
    """That many steps on gradients that any dtype can hold; the weights after them, as float32."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for k in range(first, first + steps):
        for p, g in zip(params, gradients(params, k), strict=True):
            p.grad = g.to(p.dtype)
        optimizer.step()
    return flat(params)


def flat(params: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([p.detach().float().flatten() for p in params])


def states(optimizer: torch.optim.Optimizer) -> list[dict[str, torch.Tensor]]:
    return [optimizer.state[p] for group in optimizer.param_groups for p in group["params"]]


def same_states(a: torch.optim.Optimizer, b: torch.optim.Optimizer) -> bool:
    """Bit for bit, in the same dtypes."""
    return all(
        x.keys() == y.keys() and all(x[k].dtype == y[k].dtype and torch.equal(x[k], y[k]) for k in x)
        for x, y in zip(states(a), states(b), strict=True)
    )
