"""What the tests of the torch face share: the classes, small weights, gradients."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch

import halflife
from halflife.catalogue import rule_of

TORCH = ["SGD", "ASGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Rprop"]
TORCH += ["Adafactor", *(["Muon"] if hasattr(torch.optim, "Muon") else [])]  # it has that from 2.9 on
ALL = [*TORCH, "Lion", "SGDW", "AdamL2", "ProxAdam", "AdamP", "ProxSGD"]
EVERY = [*ALL, "SparseAdam"]
"""With the one that takes sparse gradients alone, and no decay."""
CAPTURABLE = [name for name in ALL if "capturable" in inspect.signature(getattr(halflife, name)).parameters]
EXTRAS = {"decay", "regularizer", "direction", "eps_inside", "weight_decay", "rounding", "state_dtype"}
EXTRAS |= {"max_grad_norm", "ema_decay", "skip_nonfinite", "base_lr", "engine"}
EXTRAS |= {"maximize", "capturable", "differentiable", "matrices", "ns_precision", "ns_form"}  # of Adafactor and Muon
ENGINES: list[dict[str, Any]] = [{"engine": "eager"}, {"engine": "foreach"}, {}]


each = pytest.mark.parametrize("name", ALL)
each_class = pytest.mark.parametrize("name", EVERY)
each_of_torch = pytest.mark.parametrize("name", TORCH)
each_engine = pytest.mark.parametrize("engine", ENGINES, ids=["eager", "foreach", "default"])


def ours(name: str) -> Any:
    return getattr(halflife, name)


def shapes_for(optimizer_class: type, shapes: Any) -> list[tuple[int, ...]]:
    """Those that the rule of our class of that name takes."""
    check = rule_of(ours(optimizer_class.__name__)).check
    found = []
    for shape in shapes:
        with contextlib.suppress(ValueError):
            check(torch.empty(shape))
            found.append(shape)
    return found


def takes_complex(name: str) -> bool:
    try:
        rule_of(ours(name)).check(torch.empty(2, 2, dtype=torch.complex64))
    except RuntimeError:
        return False
    return True


def gradient_for(optimizer_class: type, p: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A gradient of a kind that the rule takes: sparse, with one row of three left out, where it takes no other."""
    g = torch.randn(p.shape, generator=generator, dtype=p.dtype)
    known = next((c.__name__ for c in optimizer_class.__mro__ if c.__name__ in EVERY), "SGD")  # or a user's own
    if rule_of(ours(known)).sparse != "required":
        return g
    rows = torch.arange(len(g)) % 3 != int(torch.randint(3, (), generator=generator))
    return (g * rows.reshape(-1, *[1] * (g.dim() - 1))).to_sparse(1)


def takes(optimizer_class: Any, argument: str) -> bool:
    """Whether a class of torch's has that argument."""
    return argument in inspect.signature(optimizer_class).parameters


def theirs(name: str) -> Any:
    return getattr(torch.optim, name)


def asked_of(optimizer_class: type, engine: dict[str, Any]) -> dict[str, Any]:
    """The keywords by which a class of ours or of torch's is asked for an engine: torch's know ``foreach`` alone."""
    if issubclass(optimizer_class, halflife.Optimizer):
        return engine
    return {"foreach": engine["engine"] == "foreach"} if "engine" in engine else engine


def weights(dtype: torch.dtype = torch.float64, seed: int = 0) -> list[torch.nn.Parameter]:
    """Two matrices, which every rule takes."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(s, generator=generator, dtype=dtype)) for s in ((3, 4), (5, 1))]


def flat(params: list[Any]) -> torch.Tensor:
    return torch.cat([torch.view_as_real(p).flatten() if p.is_complex() else p.flatten() for p in params]).detach()


def give_gradients(optimizer: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = gradient_for(type(optimizer), p, generator)


def train(optimizer: torch.optim.Optimizer, steps: int = 4, seed: int = 0, then: Callable[[], Any] | None = None):
    """That many steps on random gradients; the weights after them."""
    for k in range(steps):
        give_gradients(optimizer, 1000 * seed + k)
        optimizer.step()
        if then is not None:
            then()
    return flat([p for group in optimizer.param_groups for p in group["params"]])


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())
