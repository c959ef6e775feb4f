"""One small problem for all tests of conventions: gradients from 1e-4 to 1, so that ε shows, and a moving lr."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from halflife.conventions import CONVENTIONS, Convention, Settings, find

N, STEPS = 12, 6
_random = np.random.default_rng(0)
W0 = _random.normal(size=N)
GRADS = [_random.normal(size=N) * np.logspace(-4, 0, N) for _ in range(STEPS)]
LRS = (0.1, 0.08, 0.1, 0.05, 0.02, 0.004)
"""Ends far from its start."""
λ, BETAS, EPS, μ = 0.3, (0.9, 0.99), 1e-3, 0.9
MATRIX = (4, 3)
"""The shape of the same weights for optimizers of matrices."""
BUILT = [name for name, c in CONVENTIONS.items() if not c.beyond]


def settings_of(name: str, lr: float = LRS[0]) -> dict[str, Any]:
    """The test's numbers, as that convention's optimizer takes them; decays by at least 0.4 % in every step."""
    convention = find(name)
    strength = λ * np.sqrt(STEPS) if convention.amount == "normalized" else λ
    muon = {"momentum": μ, "eps": EPS, "ns_precision": "float64"}
    own: dict[str, Any] = {"sgd": {"momentum": μ}, "lion": {"betas": BETAS}, "muon": muon}.get(
        convention.rule, {"betas": BETAS, "eps": EPS}
    )
    steps = {"steps": STEPS} if convention.amount == "normalized" else {}
    return {"lr": lr, "weight_decay": strength, **own, **steps}


def shape_of(name: str) -> tuple[int, ...]:
    """What that convention's optimizer is given the weights as."""
    return MATRIX if find(name).rule == "muon" else (N,)


def parameter(
    dtype: torch.dtype = torch.float64, w0: np.ndarray = W0, shape: tuple[int, ...] = (N,)
) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(w0.reshape(shape), dtype=dtype))


def run(
    make: Callable[[list[Any]], torch.optim.Optimizer],
    lrs: Sequence[float] = LRS,
    dtype: torch.dtype = torch.float64,
    before: Callable[[Any, int], None] | None = None,
    grads: Sequence[np.ndarray] = GRADS,
    shape: tuple[int, ...] = (N,),
) -> np.ndarray:
    """The weights after each step; lr is written into the groups before it, then ``before(optimizer, k)`` is called.

    They are of that ``shape`` for the optimizer, and flat in the rows that are returned.
    """
    p = parameter(dtype, shape=shape)
    optimizer, rows = make([p]), []
    for k, g in enumerate(grads):
        p.grad = torch.tensor(g.reshape(shape), dtype=dtype)
        set_lr(optimizer, lrs[k])
        if before is not None:
            before(optimizer, k)
        optimizer.step()
        rows.append(p.detach().double().numpy().reshape(-1).copy())
    return np.array(rows)


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr


def ours(name: str, **changed: Any) -> Callable[[list[Any]], torch.optim.Optimizer]:
    """Makes the convention's optimizer with the test's numbers."""
    return lambda params: find(name).optimizer(params, **{**settings_of(name), **changed})


def with_settings(
    convention: Convention, s: Settings, flags: Mapping[str, Any] | None = None
) -> Callable[[list[Any]], torch.optim.Optimizer]:
    """Makes the convention's optimizer with those of a conversion."""
    muon = {"momentum": s.momentum, "eps": s.eps, "ns_precision": "float64", **(flags or {})}
    rule: dict[str, Any] = {"sgd": {"momentum": s.momentum}, "lion": {"betas": s.betas}, "muon": muon}
    own: dict[str, Any] = rule.get(convention.rule, {"betas": s.betas, "eps": s.eps})
    steps = {"steps": STEPS} if convention.amount == "normalized" else {}
    return lambda params: convention.optimizer(params, lr=s.lr, weight_decay=s.weight_decay, **own, **steps)


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


def agrees(name: str, real: np.ndarray, tolerance: float = 1e-12, **settings: Any) -> None:
    """Our optimizer of that convention walks with the real one, and would not without its decay."""
    dtype = torch.float64 if tolerance < 1e-9 else torch.float32
    shape = shape_of(name)
    off = apart(run(ours(name, **settings), dtype=dtype, shape=shape), real)
    assert off <= tolerance, f"{name}: {off}"
    without = run(ours(name, **{**settings, "weight_decay": 0.0}), dtype=dtype, shape=shape)
    assert apart(without, real) >= 100 * tolerance


def peer(name: str) -> Any:
    """The framework, or the test is skipped; what it warns of while it is imported is its own matter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pytest.importorskip(name, exc_type=ImportError)
        except RuntimeError as error:
            pytest.skip(f"{name} is installed, but does not load: {error}", allow_module_level=True)


FLOAT32 = 1e-6
"""Of those that compute in float32."""
ADAM: dict[str, Any] = {"lr": LRS[0], "betas": BETAS, "eps": EPS, "weight_decay": λ}
SGD: dict[str, Any] = {"lr": LRS[0], "momentum": μ, "weight_decay": λ}
LION: dict[str, Any] = {"lr": LRS[0], "betas": BETAS, "weight_decay": λ}


def left(optimizer: torch.optim.Optimizer, group: int = 0) -> float:
    """What one step without a gradient leaves of a weight of 1."""
    for p in optimizer.param_groups[group]["params"]:
        p.data.fill_(1.0)
        p.grad = torch.zeros_like(p)
    optimizer.step()
    return float(optimizer.param_groups[group]["params"][0].detach().reshape(-1)[0])


def one(dtype: torch.dtype = torch.float64) -> torch.nn.Parameter:
    """A weight of 1, as a matrix, which every optimizer takes."""
    return torch.nn.Parameter(torch.ones(1, 1, dtype=dtype))
