"""The idx form of MNIST and its successors, packed or not (yann.lecun.com/exdb/mnist)."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import StudyError
from .archives import ARCHIVES
from .download import fetch
from .folder import first_existing, read_bytes
from .images import Images, ImageSet, checked

UNSIGNED_BYTE = 8
CLASSES = 10
FOLDER = "fashion-mnist"
_PLACES = (FOLDER, "FashionMNIST/raw", ".")


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes: two zero bytes, the type, the number of dimensions, each dimension
    as a big-endian 4-byte number, then the array row by row. A file whose name ends in ``.gz`` is unpacked.

    Raises ``StudyError`` if the file does not begin so or is not of the length that it says.
    """
    content = _unpacked(path)
    magic = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    start = 4 + 4 * dimensions
    if content[:4] != magic or len(content) < start:
        raise StudyError(
            f"{path} does not begin as an idx file of unsigned bytes in {dimensions} dimensions does "
            f"({magic.hex()}), but with {content[:4].hex() or 'nothing'}; fetch it again."
        )
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != prod(shape):
        raise StudyError(
            f"{path} is truncated or damaged: it says that it holds {'×'.join(map(str, shape))} bytes, but holds "
            f"{len(content) - start}; fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _unpacked(path: Path) -> bytes:
    content = read_bytes(path)
    if path.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise StudyError(f"{path} is truncated or damaged: it cannot be unpacked ({error}); fetch it again.") from error


def read_fashion_mnist(folder: Path) -> ImageSet:
    """The four files, each as it lies in ``folder`` or in one of the usual folders within, else fetched."""
    return ImageSet(_images(folder, "train"), _images(folder, "t10k"))


def _images(folder: Path, part: str) -> Images:
    pixels, labels = _path(folder, f"{part}-images-idx3-ubyte"), _path(folder, f"{part}-labels-idx1-ubyte")
    return checked(read_idx(pixels, 3)[:, None], read_idx(labels, 1), CLASSES, labels)


def _path(folder: Path, stem: str) -> Path:
    names = [folder / place / f"{stem}{ending}" for place in _PLACES for ending in (".gz", "")]
    return first_existing(names) or fetch(ARCHIVES[f"{stem}.gz"], folder / FOLDER)
