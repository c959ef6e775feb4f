"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009, *Learning multiple layers of features from tiny images*)."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import StudyError
from .archives import ARCHIVES
from .download import fetch
from .folder import read_bytes
from .images import Images, ImageSet, checked, joined
from .pickles import read_batch

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Cifar:
    """One of the two data sets: its files without their endings, and how an image is recorded.

    In the binary form an image is ``label_bytes`` labels, the last of which counts, and its red, green and blue plane,
    row by row; in Python's it is a row of ``data``, and its label is in ``labels_key``.
    """

    name: str
    classes: int
    label_bytes: int
    labels_key: str
    train_files: tuple[str, ...]
    test_file: str
    binary_folder: str
    python_folder: str
    archive: str


CIFAR10 = Cifar(
    name="CIFAR-10",
    classes=10,
    label_bytes=1,
    labels_key="labels",
    train_files=tuple(f"data_batch_{i}" for i in range(1, 6)),
    test_file="test_batch",
    binary_folder="cifar-10-batches-bin",
    python_folder="cifar-10-batches-py",
    archive="cifar-10-binary.tar.gz",
)
CIFAR100 = Cifar(
    name="CIFAR-100",
    classes=100,
    label_bytes=2,
    labels_key="fine_labels",
    train_files=("train",),
    test_file="test",
    binary_folder="cifar-100-binary",
    python_folder="cifar-100-python",
    archive="cifar-100-binary.tar.gz",
)


def read_cifar(form: Cifar, folder: Path) -> ImageSet:
    """What lies in ``folder`` or in the official archive's folder within, in binary or Python form, else the archive,
    which is fetched if need be and read as it is, packed.

    A part of the training files is enough, and files may be shorter than the official ones. Raises ``StudyError`` if
    the test file is missing, or a file is truncated or has labels out of range.
    """
    for place, ending in _places(form, folder):
        found = [place / f"{stem}{ending}" for stem in form.train_files if (place / f"{stem}{ending}").is_file()]
        test = place / f"{form.test_file}{ending}"
        if found and test.is_file():
            return ImageSet(joined([_read(form, path) for path in found]), _read(form, test))
        if found or test.is_file():
            raise StudyError(
                f"{place} has only a part of {form.name}: it takes {form.test_file}{ending} and at least one of "
                f"{', '.join(stem + ending for stem in form.train_files)}; add what lacks."
            )
    return _read_archive(form, fetch(ARCHIVES[form.archive], folder))


def _places(form: Cifar, folder: Path) -> list[tuple[Path, str]]:
    return [
        (folder / form.binary_folder, ".bin"),
        (folder, ".bin"),
        (folder / form.python_folder, ""),
        (folder, ""),
    ]


def _read(form: Cifar, path: Path) -> Images:
    return _from_binary(form, read_bytes(path), path) if path.suffix == ".bin" else _from_python(form, path)


def _from_binary(form: Cifar, content: bytes, source: Path) -> Images:
    record = form.label_bytes + PIXELS
    if len(content) % record:
        raise StudyError(
            f"{source} is truncated or not {form.name}'s binary form: its {len(content)} bytes are not a whole number "
            f"of images of {record} bytes; fetch it again."
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, record)
    pixels, labels = rows[:, form.label_bytes :].reshape(-1, *SHAPE), rows[:, form.label_bytes - 1]
    return checked(pixels, labels, form.classes, source)


def _from_python(form: Cifar, path: Path) -> Images:
    data, labels = read_batch(path, form.labels_key)
    if data.ndim != 2 or data.shape[1] != PIXELS:
        raise StudyError(f"{path} has data of shape {list(data.shape)}, but {form.name}'s is [images, {PIXELS}].")
    return checked(data.reshape(-1, *SHAPE), labels, form.classes, path)


def _read_archive(form: Cifar, archive: Path) -> ImageSet:
    """From the packed archive, whose checksum was right: nothing is unpacked to the disk."""
    wanted = {f"{stem}.bin" for stem in (*form.train_files, form.test_file)}
    with tarfile.open(archive) as tar:
        contents = {
            Path(member.name).name: stream.read()
            for member in tar
            if Path(member.name).name in wanted and (stream := tar.extractfile(member))
        }
    lacking = sorted(wanted - set(contents))
    if lacking:
        raise StudyError(f"{archive} lacks {', '.join(lacking)}; remove it, and it will be fetched again.")
    train, test = (
        [_from_binary(form, contents[f"{stem}.bin"], archive / f"{stem}.bin") for stem in stems]
        for stems in (form.train_files, (form.test_file,))
    )
    return ImageSet(joined(train), test[0])
