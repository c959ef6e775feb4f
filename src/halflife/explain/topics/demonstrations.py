"""What the papers of the history showed, small enough to be computed for a page."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ... import optimizers as optim
from ... import regularizers as own
from .runs import Make, norm, normal, path, vector

LINEAR: Any = torch.linalg
"""It has no types."""

WEIGHTS, EXAMPLES, TEACHERS = 20, 15, 30
SHARES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)


class Student(NamedTuple):
    """The norm of the part of a student's weights of which the examples say nothing, at the start and at the end."""

    before: float
    after: float


def student(λ: float, steps: int = 400) -> Student:
    """Train a linear network of more weights than examples, without noise, by gradient descent with decay."""
    A, teacher, start = normal(0, EXAMPLES, WEIGHTS), normal(1, WEIGHTS), 2 * normal(3, WEIGHTS)
    b = A @ teacher
    lr = EXAMPLES / float(LINEAR.matrix_norm(A, 2) ** 2)
    w = path(lambda p: optim.SGD(p, lr=lr, weight_decay=λ), start, lambda w, t: A.T @ (A @ w - b) / EXAMPLES, steps)[-1]
    seen: Tensor = LINEAR.pinv(A) @ A
    return Student(norm(start - seen @ start), norm(w - seen @ w))


def from_smallest(λ: float) -> float:
    """How far the minimum for λ is from the smallest weights that fit the examples without noise."""
    A, teacher = normal(0, EXAMPLES, WEIGHTS), normal(1, WEIGHTS)
    return norm(minimum(A, A @ teacher, λ) - minimum(A, A @ teacher, 0.0))


def errors(noise: float) -> list[float]:
    """The mean of ‖w − teacher‖² over some teachers for each λ, at the minimum of ½·mean squared error + λ·½‖w‖².

    That is the expected squared error on new inputs, less the noise's own.
    """
    total = [0.0] * len(SHARES)
    for k in range(TEACHERS):
        A, teacher = normal(10 + k, EXAMPLES, WEIGHTS), normal(110 + k, WEIGHTS)
        b = A @ teacher + noise * normal(210 + k, EXAMPLES)
        for i, λ in enumerate(SHARES):
            w = minimum(A, b, λ)
            total[i] += float(((w - teacher) ** 2).sum()) / TEACHERS
    return total


def minimum(A: Tensor, b: Tensor, λ: float) -> Tensor:
    """The minimum for one λ; for 0 the smallest of all."""
    if λ == 0:
        return LINEAR.pinv(A) @ b
    return LINEAR.solve(A.T @ A / len(A) + λ * torch.eye(A.shape[1], dtype=A.dtype), A.T @ b / len(A))


LR, LAM, STEPS = 0.05, 0.01, 100


def equivalence() -> dict[str, float]:
    """How far L2 with λ/α ends from decoupled decay λ (the paper's form), on a quadratic, for three optimizers."""
    h, a, start = vector(1.0, 5.0, 0.2), vector(1.0, -1.0, 2.0), vector(2.0, 1.0, -1.0)

    def gradient(w: Tensor, t: int) -> Tensor:
        return h * (w - a)

    pairs: dict[str, tuple[Make, Make]] = {
        "SGD": (
            lambda p: optim.SGD(p, lr=LR, weight_decay=LAM / LR),
            lambda p: optim.SGDW(p, lr=LR, momentum=0.0, weight_decay=LAM),
        ),
        "SGD, momentum 0.9": (
            lambda p: optim.SGD(p, lr=LR, momentum=0.9, weight_decay=LAM / LR),
            lambda p: optim.SGDW(p, lr=LR, momentum=0.9, weight_decay=LAM),
        ),
        "Adam": (
            lambda p: optim.AdamL2(p, lr=LR, weight_decay=LAM / LR),
            lambda p: optim.AdamW(p, lr=LR, weight_decay=LAM, decay="independent"),
        ),
    }
    ends = {name: [path(make, start, gradient, STEPS)[-1] for make in pair] for name, pair in pairs.items()}
    return {name: float((one - other).abs().max()) for name, (one, other) in ends.items()}


def reddi(amsgrad: bool, steps: int = 300) -> list[float]:
    """Where Adam is after each step of the losses 3w, −w, −w in turn on −1 ≤ w ≤ 1: their sum is least at −1."""

    def make(p: list[Tensor]) -> torch.optim.Optimizer:
        R = own.Box(-1.0, 1.0)
        return optim.ProxAdam(p, lr=0.1, betas=(0.0, 0.1), eps=0.0, amsgrad=amsgrad, weight_decay=1.0, regularizer=R)

    losses = (-1.0, 3.0, -1.0)
    return [float(w) for w in path(make, vector(0.0), lambda w, t: losses[t % 3] + 0 * w, steps)]
