"""Short runs of the library's own optimizers, for the topics' tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias
from warnings import catch_warnings, simplefilter

import torch
from torch import Tensor

Gradient: TypeAlias = Callable[[Tensor, int], Tensor]
"""∇f at the weights, in the step that counts from 1."""

Make: TypeAlias = Callable[[list[Tensor]], torch.optim.Optimizer]
"""An optimizer of these parameters."""


class Run(NamedTuple):
    """The weights at the start and after each step, and the optimizer's state at the end."""

    weights: list[Tensor]
    state: Mapping[str, Tensor]


def vector(*numbers: float) -> Tensor:
    """Numbers in float64."""
    return torch.tensor(numbers, dtype=torch.float64)


def normal(seed: int, *shape: int) -> Tensor:
    """Normal numbers in float64, the same for the same seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def norm(x: Tensor) -> float:
    """‖x‖₂."""
    return float((x * x).sum()) ** 0.5


def run(make: Make, w: Tensor, gradient: Gradient, steps: int) -> Run:
    """Step from w so many times."""
    p = w.clone().requires_grad_()
    with catch_warnings():
        simplefilter("ignore")  # the example's λ is nobody's choice
        optimizer = make([p])
        weights = [w.clone()]
        for t in range(1, steps + 1):
            p.grad = gradient(weights[-1], t)
            optimizer.step()
            weights.append(p.detach().clone())
    return Run(weights, optimizer.state[p])


def path(make: Make, w: Tensor, gradient: Gradient, steps: int) -> list[Tensor]:
    """The weights at the start and after each step."""
    return run(make, w, gradient, steps).weights
