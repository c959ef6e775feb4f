"""CIFAR-10 and CIFAR-100: 60,000 photographs of ten or a hundred kinds of things, 32×32 pixels in colour."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

from ..errors import StudyError
from ..models import resnet
from .augment import crop_and_flip
from .files import CIFAR10, CIFAR100, data_folder, read_cifar
from .images import Official, Sizes, image_problem
from .problem import Problem

BY_CLASSES = {10: CIFAR10, 100: CIFAR100}


def cifar(
    name: str = "cifar10",
    *,
    classes: int = 10,
    train: int | None = None,
    val: int | None = None,
    test: int | None = None,
    size: int = 32,
    noise: float = 0.0,
    width: int = 16,
    data_dir: str | Path | None = None,
) -> Problem:
    """CIFAR-10, or CIFAR-100 by its fine labels, and a ResNet-20; random crops and flips in training.

    The images are read once a process. Source: Krizhevsky 2009; the augmentation and the network of He et al. 2016,
    §4.2. Deviations: validation images are a tenth of the training images, drawn evenly from all classes (He et al.:
    45,000/5,000 at random); normalized by channel, not by the mean at each pixel.

    Args:
        name: the problem's.
        classes: 10 or 100, which of the two.
        train, val, test: numbers of images, None for as many as there are (``val``: a tenth).
        size: 32; with 16 each 2×2 pixels are averaged, and crops move by 2 pixels instead of 4.
        noise: the share of the labels to train on that are redrawn.
        width: the network's.
        data_dir: as in ``data_folder``.

    Returns:
        The problem.

    Raises:
        StudyError: if ``classes`` is neither, and where the files can be neither read nor fetched.

    Example:
        >>> from halflife.lab.problems import PROBLEMS
        >>> PROBLEMS["cifar10-small"].keywords  # what a study on two cores gives to it
        {'train': 5000, 'val': 2000, 'test': 2000, 'size': 16, 'width': 8}
    """
    if classes not in BY_CLASSES:
        raise StudyError(f"CIFAR has 10 or 100 classes, not {classes!r}; choose one of the two.")
    return _cifar(name, classes, Sizes(train, val, test, size, noise), width, data_folder(data_dir))


@lru_cache(maxsize=2)
def _cifar(name: str, classes: int, sizes: Sizes, width: int, folder: Path) -> Problem:
    which = BY_CLASSES[classes]
    return image_problem(
        name,
        Official(which.name, classes, 50_000, 10_000),
        read_cifar(which, folder),
        sizes,
        partial(resnet, 20, width=width, classes=classes),
        partial(crop_and_flip, pad=(sizes.size or 32) // 8),
    )
