"""HeavyBall, by trajectory, uncompiled; its lr is a float32 tensor whatever the weights are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from halflife.conventions.framework_adam import FrameworkAdamW
from halflife.regularizers import Sphere

from .problem import ADAM, BETAS, EPS, FLOAT32, LRS, SGD, agrees, apart, peer, run, set_lr, λ, μ

pytestmark = pytest.mark.filterwarnings("ignore")
heavyball = peer("heavyball")
utils = peer("heavyball.utils")
HYPERBALL = {"decay": "proximal", "regularizer": Sphere(), "direction": "normalized"}
Step = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utils, "compile_mode", None)


CASES: dict[str, Callable[[Any], Any]] = {
    "heavyball": lambda p: heavyball.AdamW(p, **ADAM),
    "heavyball-adamc": lambda p: heavyball.AdamC(p, **ADAM),
    "timm-sgdw": lambda p: heavyball.SGD(p, lr=SGD["lr"], beta=μ, weight_decay=λ),
}


@pytest.mark.parametrize("name", CASES)
def test_trajectory(name: str) -> None:
    agrees(name, run(CASES[name], dtype=torch.float32), FLOAT32)


def test_max_lr_is_one_number_for_the_groups_that_give_none() -> None:
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], **own} for own in ({}, {"lr": 0.01}, {"max_lr": 0.5})]
    optimizer = heavyball.AdamC(groups, lr=0.1)
    assert [group["max_lr"] for group in optimizer.param_groups] == [0.1, 0.1, 0.5]


def hyperball(shape: tuple[int, ...], λ: float, ours: Step | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Its weights after each step beside those of ``ours(w, g, lr)``, or of our optimizer."""
    torch.manual_seed(0)
    w0 = torch.randn(shape, dtype=torch.float64)
    p, q = (torch.nn.Parameter(w0.clone()) for _ in range(2))
    real = heavyball.HyperBallAdamW([p], lr=LRS[0], betas=BETAS, eps=EPS, weight_decay=λ, storage_dtype="float64")
    own = {"lr": LRS[0], "betas": (0.0, BETAS[1]), "eps": EPS, "eps_form": "clamped", "weight_decay": λ}
    optimizer = FrameworkAdamW([q], **own, **(HYPERBALL if len(shape) > 1 else {}))
    rows = []
    for lr in LRS:
        g = torch.randn_like(w0) * torch.logspace(-4, 0, w0.numel(), dtype=torch.float64).reshape(shape)
        p.grad, q.grad = g.clone(), g.clone()
        for each in (real, optimizer):
            set_lr(each, lr)
        real.step()
        if ours is None:
            optimizer.step()
        else:
            q.data = ours(q.detach(), g, lr)
        rows.append((p.detach().clone(), q.detach().clone()))
    theirs, other = (torch.stack(each) for each in zip(*rows, strict=True))
    return theirs, other


def test_hyperball_without_a_decay_is_the_sphere_and_the_normalized_direction() -> None:
    """And RMSprop's: it has no first moment."""
    theirs, ours = hyperball((3, 4), 0.0)
    assert apart(theirs.numpy(), ours.numpy()) < 1e-7
    assert apart(theirs[0].numpy(), theirs[-1].numpy()) > 0.1


def test_hyperballs_decay_only_changes_the_length_of_the_step() -> None:
    v, t, r = torch.zeros(3, 4, dtype=torch.float64), 0, None

    def step(w: torch.Tensor, g: torch.Tensor, lr: float) -> torch.Tensor:
        nonlocal v, t, r
        v, t, r = BETAS[1] * v + (1 - BETAS[1]) * g * g, t + 1, w.norm() if r is None else r
        u = g / (v / (1 - BETAS[1] ** t)).sqrt().clamp(EPS)
        longer = lr * u.norm() / ((u + λ * w).norm() - lr * r * λ)
        y = w - longer * r * u / u.norm()
        return r * y / y.norm()

    theirs, ours = hyperball((3, 4), λ, step)
    assert apart(theirs.numpy(), ours.numpy()) < 1e-7
    assert apart(theirs.numpy(), hyperball((3, 4), 0.0)[0].numpy()) > 1e-3
    assert theirs.flatten(1).norm(dim=1).sub(theirs[0].norm()).abs().max() < 1e-7


def test_hyperball_leaves_vectors_to_a_decoupled_rmsprop() -> None:
    theirs, ours = hyperball((12,), λ)
    assert apart(theirs.numpy(), ours.numpy()) < 1e-7
    assert apart(theirs.numpy(), hyperball((12,), 0.0)[0].numpy()) > 1e-3
