"""From images as they were read to a problem: shared out, made smaller, normalized."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ..errors import StudyError
from .files import Images, ImageSet
from .labels import redrawn
from .problem import Augment, Problem, Split

SPLIT_SEED = 2019


class Sizes(NamedTuple):
    """How many images to train on, validate and test on, and their height: None is as many, or as high, as there are.

    Without a number, a tenth of the training images validates. ``noise`` is the share of the labels to train on that
    are redrawn (``labels.redrawn``).
    """

    train: int | None = None
    val: int | None = None
    test: int | None = None
    size: int | None = None
    noise: float = 0.0


class Official(NamedTuple):
    """A data set as it was published: its title, and how many classes and images it has."""

    title: str
    classes: int
    train: int
    test: int


def image_problem(
    name: str,
    official: Official,
    images: ImageSet,
    sizes: Sizes,
    model: Callable[[], nn.Module],
    augment: Augment | None = None,
) -> Problem:
    """A classification of images, float32, normalized by mean and standard deviation of each channel in ``train``.

    The validation images are taken from the official training set and the test images are of the official test set,
    both drawn evenly from all classes, the same for every seed and whatever the number to train on.
    Raises ``StudyError`` if there are fewer images than asked for, the size is no divisor of theirs, or the noise no
    share.
    """
    clean, *rest = _shared_out(name, images, sizes)
    parts = [_noisy(name, clean, sizes.noise, official.classes), *rest]
    inputs = [_pooled(part.pixels, sizes.size, name) for part in parts]
    _normalize(inputs)
    train, val, test = (Split(x, torch.from_numpy(part.labels)) for x, part in zip(inputs, parts, strict=True))
    return Problem(
        name=name,
        description=_told(official, images, [len(part) for part in parts], sizes.noise, inputs[0].shape[-1], augment),
        train=train,
        val=val,
        test=test,
        model=model,
        chance=1 - 1 / official.classes,
        augment=augment,
    )


def _told(
    official: Official, images: ImageSet, used: list[int], noise: float, side: int, augment: Augment | None
) -> str:
    read = [
        f"all {there:,}" if there == published else f"{there:,} of {published:,}"
        for there, published in ((len(images.train), official.train), (len(images.test), official.test))
    ]
    return (
        f"{official.title}: read {read[0]} training and {read[1]} test images; {used[0]:,} to train on, "
        f"{f'{noise:.0%} of their labels randomized, ' if noise else ''}{used[1]:,} "
        f"others of the training set to validate, {used[2]:,} to test, {side}×{side} pixels"
        f"{', randomly cropped and flipped in training' if augment else ''}"
    )


def _shared_out(name: str, images: ImageSet, sizes: Sizes) -> list[Images]:
    """What to train on, to validate and to test, each in the order of the files."""
    learn, test = images
    n_val = len(learn) // 10 if sizes.val is None else sizes.val
    n_train = len(learn) - n_val if sizes.train is None else sizes.train
    n_test = len(test) if sizes.test is None else sizes.test
    _enough(f"{name}'s training set", n_train + n_val, len(learn), min(n_train, n_val))
    _enough(f"{name}'s test set", n_test, len(test), n_test)
    order = _evenly(learn.labels)
    chosen = [(learn, order[n_val : n_val + n_train]), (learn, order[:n_val]), (test, _evenly(test.labels)[:n_test])]
    return [Images(part.pixels[np.sort(indices)], part.labels[np.sort(indices)]) for part, indices in chosen]


def _noisy(name: str, images: Images, share: float, classes: int) -> Images:
    if not 0 <= share <= 1:
        raise StudyError(f"{name}'s noise is a share of the labels, from 0 to 1, but {share:g} was given.")
    return Images(images.pixels, redrawn(images.labels, share, classes))


def _enough(what: str, asked: int, there: int, least: int) -> None:
    if least < 1:
        raise StudyError(f"{what} must give at least 1 image to each purpose, but {least} was asked for.")
    if asked > there:
        raise StudyError(
            f"{what} has {there:,} images, too few for the {asked:,} asked for; ask for fewer, or add files."
        )


def _evenly(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """A random order in which every stretch has all classes as evenly as they go."""
    order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
    shuffled, ranks = labels[order], np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        here = shuffled == label
        ranks[here] = np.arange(here.sum())
    return order[np.argsort(ranks, kind="stable")]


def _pooled(pixels: NDArray[np.uint8], size: int | None, name: str) -> Tensor:
    """In [0, 1], averaged over squares so that ``size`` pixels are left in each direction."""
    images, height = torch.from_numpy(pixels).float().div_(255), pixels.shape[2]
    if size is None or size == height:
        return images
    if size < 1 or height % size:
        allowed = ", ".join(str(n) for n in range(1, height + 1) if height % n == 0)
        raise StudyError(f"{name}'s images of {height} pixels cannot be averaged to {size}; choose among {allowed}.")
    return avg_pool2d(images, height // size)


def _normalize(inputs: list[Tensor]) -> None:
    """In place, by the first's mean and standard deviation of each channel."""
    deviation, mean = torch.std_mean(inputs[0], dim=(0, 2, 3), correction=0, keepdim=True)
    for images in inputs:
        images.sub_(mean).div_(deviation.clamp(min=1e-6))
