"""Labelled images as they were read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import StudyError


class Images(NamedTuple):
    """``pixels`` of shape ``[images, channels, height, width]`` in 0…255, ``labels`` of shape ``[images]``."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


class ImageSet(NamedTuple):
    """An official training set and test set, or the part of them that is there."""

    train: Images
    test: Images


def checked(pixels: NDArray[np.uint8], labels: NDArray[np.uint8], classes: int, source: Path) -> Images:
    """Images that fit their labels. Raises ``StudyError`` if they do not, or if a label is none."""
    if not len(labels):
        raise StudyError(f"{source} holds no image; fetch it again.")
    if len(pixels) != len(labels):
        raise StudyError(f"{source} has {len(labels)} labels for {len(pixels)} images; fetch both files again.")
    if int(labels.max()) >= classes:
        at = int(labels.argmax())
        raise StudyError(
            f"{source} has the label {labels[at]} at image {at}, but labels run from 0 to {classes - 1}; "
            "the file is damaged or of another data set: fetch it again."
        )
    return Images(pixels, labels.astype(np.int64))


def joined(parts: list[Images]) -> Images:
    """One after the other."""
    return Images(np.concatenate([part.pixels for part in parts]), np.concatenate([part.labels for part in parts]))
