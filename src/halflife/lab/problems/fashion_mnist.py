"""Fashion-MNIST: 70,000 pictures of ten kinds of clothes, 28×28 pixels in grey."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

from ..models import flat_mlp
from .files import data_folder, read_fashion_mnist
from .images import Official, Sizes, image_problem
from .problem import Problem


def fashion_mnist(
    name: str = "fashion-mnist",
    *,
    train: int | None = None,
    val: int | None = None,
    test: int | None = None,
    size: int = 28,
    noise: float = 0.0,
    width: int = 256,
    data_dir: str | Path | None = None,
) -> Problem:
    """Fashion-MNIST and a perceptron with two hidden layers; no augmentation.

    The images are read once a process. Source: Xiao, Rasul & Vollgraf 2017, *Fashion-MNIST*.

    Args:
        name: the problem's.
        train, val, test: numbers of images, None for as many as there are (``val``: a tenth of the training images,
            drawn evenly from all classes).
        size: 28; with 14 each 2×2 pixels are averaged.
        noise: the share of the labels to train on that are redrawn.
        width: the hidden layers'.
        data_dir: as in ``data_folder``.

    Returns:
        The problem.

    Example:
        >>> from halflife.lab.problems import PROBLEMS
        >>> PROBLEMS["fashion-mnist-small"].keywords  # what a study on two cores gives to it
        {'train': 5000, 'val': 2000, 'test': 2000, 'size': 14, 'width': 128}
    """
    return _fashion_mnist(name, Sizes(train, val, test, size, noise), width, data_folder(data_dir))


@lru_cache(maxsize=2)
def _fashion_mnist(name: str, sizes: Sizes, width: int, folder: Path) -> Problem:
    side = sizes.size or 28
    model = partial(flat_mlp, side * side, width, width, 10)
    official = Official("Fashion-MNIST", 10, 60_000, 10_000)
    return image_problem(name, official, read_fashion_mnist(folder), sizes, model)
