"""Handwritten digits, 8×8 pixels: real data that scikit-learn brings along, so no download."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from ..models import mlp
from .labels import redrawn
from .problem import Problem, Split

TRAIN, VAL, RANDOMIZED, SPLIT_SEED = 600, 600, 0.3, 2019
"""A third of the images to learn from and 30 % of their labels redrawn: then a network without decay overfits."""


def digits(dtype: torch.dtype = torch.float32, *, width: int = 64, depth: int = 2) -> Problem:
    """600 images to train on, 600 to validate, 597 to test; pixels in [0, 1].

    The split is stratified and, like the redrawn labels, the same for every seed of a study. The labels of the
    validation and test images are clean. A redrawn label is uniform over the ten classes, the true one included.
    The model is a perceptron with ``depth`` hidden layers of this ``width``.

    Args:
        dtype: of the pixels.
        width, depth: of the perceptron.

    Returns:
        The problem.

    Example:
        >>> from halflife.lab.problems import digits
        >>> problem = digits()
        >>> len(problem.train), len(problem.val), len(problem.test)
        (600, 600, 597)
    """
    loaded: Any = load_digits(return_X_y=True)
    pixels, labels = (np.asarray(part) for part in loaded)
    rest, train = _part(np.arange(len(labels)), labels, TRAIN)
    test, val = _part(rest, labels, VAL)
    noisy = redrawn(labels[train], RANDOMIZED, classes=10)
    return Problem(
        name="digits",
        description=f"scikit-learn's digits: {len(train)} to train on, {RANDOMIZED:.0%} of their labels randomized; "
        f"{len(val)} to validate, {len(test)} to test, all clean",
        train=_split(pixels[train], noisy, dtype),
        val=_split(pixels[val], labels[val], dtype),
        test=_split(pixels[test], labels[test], dtype),
        model=partial(mlp, 64, *[width] * depth, 10),
        chance=0.9,
    )


def _part(indices: NDArray[np.int64], labels: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], ...]:
    """What is left of the indices, and ``size`` of them."""
    rest, part = train_test_split(indices, test_size=size, stratify=labels[indices], random_state=SPLIT_SEED)
    return np.asarray(rest), np.asarray(part)


def _split(pixels: NDArray[np.float64], labels: NDArray[np.int64], dtype: torch.dtype) -> Split:
    return Split(torch.tensor(pixels / 16, dtype=dtype), torch.tensor(labels, dtype=torch.int64))
