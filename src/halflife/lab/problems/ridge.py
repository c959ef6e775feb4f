"""Ridge regression: synthetic data whose best λ is known by linear algebra."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .problem import Problem, Split

SAMPLES, FEATURES, NOISE, SEED = 200, 1000, 0.5, 2024
SCORED = 1000
"""Samples to validate, and to test."""
BAYES_LAM = NOISE**2 * FEATURES / SAMPLES
"""λ* = σ²/(n·τ²) with σ = NOISE, τ² = 1/d: with it, no estimate has a smaller expected error, over all w."""


def ridge(name: str = "ridge", *, noise: float = NOISE) -> Problem:
    """y = xᵀw + σε with 200 samples to train on, 1000 features, ‖w‖ = 1; x, ε standard normal; w uniform.

    The model is one linear layer without bias and the loss half the mean squared error, so that a coupled decay λ
    descends on ½·mean(y − xᵀw)² + ½λ‖w‖², and trained to the end it ends at ``ridge_weights(λ)``. Error: the squared
    one relative to the variance of y, 1 + σ²: 1 for who predicts nothing, 0.2 for who knows w if σ, ``noise``, is ½.
    The data is the same for every seed of a study; the seed sets the first weights (torch's own: ‖w₀‖² ≈ ⅓) and the
    order of the batches.

    Without noise the best decay is the least that still forgets the first weights where no sample sees them.

    Source: Schaipp 2024, *How to jointly tune learning rate and weight decay for AdamW* (n = 200, d = 1000, ‖w‖ = 1,
    batches of 20, 50 epochs, constant schedule; no noise). Deviations: features without the mean, the zeros and the
    column norms of his, and all samples of one distribution.

    Args:
        name: the problem's.
        noise: σ, the deviation of the targets from xᵀw, beside which xᵀw has deviation 1.

    Returns:
        The problem.

    Example:
        >>> from halflife.lab.problems import ridge
        >>> problem = ridge()
        >>> problem.train.inputs.shape, problem.unit
        (torch.Size([200, 1000]), 'of the variance')
    """
    draw = partial(torch.randn, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)
    w = draw(FEATURES)
    w = w / w.norm()
    train, val, test = (_drawn(n, w, noise, draw) for n in (SAMPLES, SCORED, SCORED))
    answer = f"λ = {noise**2 * FEATURES / SAMPLES:g} is the best ridge" if noise else "no noise"
    return Problem(
        name=name,
        description=f"ridge regression: {SAMPLES} samples of {FEATURES} features to train on, {SCORED} to validate, "
        f"{SCORED} to test; {answer}",
        train=train,
        val=val,
        test=test,
        model=partial(nn.Linear, FEATURES, 1, bias=False),
        loss=half_squared,
        error=partial(relative_square, variance=1 + noise**2),
        chance=1.0,
        unit="of the variance",
    )


def half_squared(outputs: Tensor, targets: Tensor) -> Tensor:
    """½·mean (f(x) − y)², from outputs of shape ``[samples, 1]``."""
    return (outputs.squeeze(-1) - targets).square().mean() / 2


def relative_square(outputs: Tensor, targets: Tensor, variance: float) -> Tensor:
    """(f(x) − y)²/Var y of each sample."""
    return (outputs.squeeze(-1) - targets).square() / variance


def _drawn(n: int, w: Tensor, noise: float, draw: partial[Tensor]) -> Split:
    inputs = draw(n, FEATURES)
    targets = inputs @ w + noise * draw(n)
    return Split(inputs.float(), targets.float())


class RidgeAnswer(NamedTuple):
    """The known answer.

    Attributes:
        lam: the λ of the least validation error, and
        val_error, test_error: both errors there.

    Example:
        >>> from halflife.lab.problems import RidgeAnswer
        >>> print(f"{RidgeAnswer(1.1, 0.844, 0.903).test_error:.1%} of the variance")
        90.3% of the variance
    """

    lam: float
    val_error: float
    test_error: float


def ridge_weights(train: Split, lam: float) -> Tensor:
    """argmin of ½·mean(y − Xw)² + ½λ‖w‖²: w = Xᵀ(XXᵀ + nλI)⁻¹y.

    Args:
        train: X ``[n, features]`` and y ``[n]``.
        lam: λ > 0.

    Returns:
        w, of shape ``[features]`` in float64.

    Example:
        >>> from halflife.lab import Split
        >>> from halflife.lab.problems import ridge_weights
        >>> ridge_weights(Split([[1.0]], [3.0]), 0.5)  # 3/(1 + λ)
        tensor([2.], dtype=torch.float64)
    """
    x, y, n = train.inputs.double(), train.targets.double(), len(train)
    return x.T @ torch.linalg.solve(x @ x.T + n * lam * torch.eye(n, dtype=torch.float64), y)


def ridge_error(problem: Problem, split: Split, lam: float) -> float:
    """The mean error of the exact solution for λ on ``problem.train``.

    Args:
        problem: one of ridge regression.
        split: on which it is scored.
        lam: λ > 0.

    Returns:
        The error, in units of the variance of y.

    Example:
        >>> from halflife.lab.problems import ridge, ridge_error
        >>> problem = ridge()
        >>> [round(ridge_error(problem, problem.val, lam), 3) for lam in (0.1, 1.0, 10.0)]
        [0.852, 0.844, 0.891]
    """
    w = ridge_weights(problem.train, lam)
    return problem.error((split.inputs.double() @ w)[:, None], split.targets.double()).mean().item()


def best_ridge(problem: Problem, lowest: float = 1e-3, highest: float = 1e3) -> RidgeAnswer:
    """The λ whose exact solution has the least validation error, to three digits.

    Args:
        problem: one of ridge regression.
        lowest, highest: between which λ is looked for.

    Returns:
        λ and its errors.

    Example:
        One sample that says 3, and one to validate that says 2 = 3/(1 + λ):
        >>> from halflife.lab.problems import Problem, Split, best_ridge
        >>> train, val = Split([[1.0]], [3.0]), Split([[1.0]], [2.0])
        >>> one = Problem("one", "", train, val, val, torch.nn.Identity, error=lambda f, y: (f[:, 0] - y) ** 2)
        >>> round(best_ridge(one).lam, 3)
        0.5
    """
    low, high = lowest, highest
    lam = low
    while high / low > 1.001:
        lams = [low * (high / low) ** (i / 12) for i in range(13)]
        errors = [ridge_error(problem, problem.val, lam) for lam in lams]
        best = errors.index(min(errors))
        lam, low, high = lams[best], lams[max(best - 1, 0)], lams[min(best + 1, 12)]
    return RidgeAnswer(lam, *(ridge_error(problem, split, lam) for split in (problem.val, problem.test)))
