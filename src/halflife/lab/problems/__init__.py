"""What is learned in a study: one problem, one file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import StudyError
from .augment import crop_and_flip
from .cifar import cifar
from .digits import digits
from .fashion_mnist import fashion_mnist
from .problem import Augment, Measure, Problem, Split, wrong
from .ridge import BAYES_LAM, RidgeAnswer, best_ridge, ridge, ridge_error, ridge_weights
from .shakespeare import shakespeare

FROM_FILES: dict[str, Callable[..., Problem]] = {
    "fashion-mnist": fashion_mnist,
    "fashion-mnist-small": partial(
        fashion_mnist, "fashion-mnist-small", train=5000, val=2000, test=2000, size=14, width=128
    ),
    "fashion-mnist-noisy": partial(
        fashion_mnist, "fashion-mnist-noisy", train=1000, val=2000, test=2000, size=14, width=128, noise=0.3
    ),
    "cifar10": cifar,
    "cifar10-small": partial(cifar, "cifar10-small", train=5000, val=2000, test=2000, size=16, width=8),
    "cifar10-tiny": partial(cifar, "cifar10-tiny", train=2000, val=1000, test=1000, size=16, width=8),
    "cifar100": partial(cifar, "cifar100", classes=100),
    "cifar100-small": partial(cifar, "cifar100-small", classes=100, train=10000, val=2000, test=2000, size=16, width=8),
    "shakespeare": shakespeare,
    "shakespeare-small": partial(
        shakespeare, "shakespeare-small", train=4000, val=1000, test=1000, window=32, width=64, depth=2
    ),
}
"""What takes ``data_dir``: it reads files, or fetches them."""

PROBLEMS: dict[str, Callable[..., Problem]] = {
    "digits": digits,
    "ridge": ridge,
    "ridge-noiseless": partial(ridge, "ridge-noiseless", noise=0.0),
    **FROM_FILES,
}
"""By name. Those called small are for a study on two cores."""


def problem_named(name: str, data_dir: str | Path | None = None, **options: Any) -> Problem:
    """The problem, its files in ``data_dir`` if it has any, else in what HALFLIFE_DATA names, else in the user's cache.

    Args:
        name: one of ``PROBLEMS``.
        data_dir: a folder.
        options: its function's own, such as ``width``.

    Returns:
        The problem.

    Raises:
        StudyError: if there is no such problem or its files can be neither read nor fetched.

    Example:
        >>> from halflife.lab.problems import problem_named
        >>> print(problem_named("ridge-noiseless").description)
        ridge regression: 200 samples of 1000 features to train on, 1000 to validate, 1000 to test; no noise
    """
    if name not in PROBLEMS:
        raise StudyError(f"problem {name!r} is not known; choose among {', '.join(PROBLEMS)}.")
    return FROM_FILES[name](data_dir=data_dir, **options) if name in FROM_FILES else PROBLEMS[name](**options)


__all__ = [
    "BAYES_LAM",
    "FROM_FILES",
    "PROBLEMS",
    "Augment",
    "Measure",
    "Problem",
    "RidgeAnswer",
    "Split",
    "best_ridge",
    "cifar",
    "crop_and_flip",
    "digits",
    "fashion_mnist",
    "problem_named",
    "ridge",
    "ridge_error",
    "ridge_weights",
    "shakespeare",
    "wrong",
]
