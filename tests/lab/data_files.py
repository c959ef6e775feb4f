"""Small files in each form that data comes in, and where the real samples lie."""

import gzip
import io
import os
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

SAMPLES = Path(os.environ.get("HALFLIFE_DATA") or Path(__file__).parents[3] / "shared" / "data")


def real(folder):
    """The folder of the samples, if this one is among them."""
    if not (SAMPLES / folder).is_dir():
        pytest.skip(f"no {folder} in {SAMPLES}")
    return SAMPLES


def cifar_images(n, classes, seed=0):
    """Pixels [n, 3, 32, 32] and labels, each class as often as the others."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8), (np.arange(n) % classes).astype(np.uint8)


def cifar_binary(pixels, labels, coarse=None):
    columns = [labels] if coarse is None else [coarse, labels]
    return np.concatenate([np.stack(columns, 1), pixels.reshape(len(labels), -1)], 1).astype(np.uint8).tobytes()


def cifar_pickle(pixels, labels, key="labels"):
    """As Python 2 and numpy 1 wrote it: text keys are byte strings there, which protocol 2 tells by its opcodes."""
    batch = {"data": pixels.reshape(len(pixels), -1), key: [int(label) for label in labels], "batch_label": "batch 1"}
    return pickle.dumps(batch, protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def cifar10_folder(folder, per_class=4, files=2):
    """``files`` training files and the test file, in binary form."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(1, files + 1):
        (folder / f"data_batch_{i}.bin").write_bytes(cifar_binary(*cifar_images(10 * per_class, 10, seed=i)))
    (folder / "test_batch.bin").write_bytes(cifar_binary(*cifar_images(20, 10, seed=99)))
    return folder


def tar_of(contents):
    """A .tar.gz with these files in a folder."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in contents.items():
            entry = tarfile.TarInfo(f"some-folder/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def fashion_folder(folder, n=40, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    for part in ("train", "t10k"):
        arrays = {
            "images-idx3": rng.integers(0, 256, (n, 28, 28), np.uint8),
            "labels-idx1": np.arange(n, dtype=np.uint8) % 10,
        }
        for name, array in arrays.items():
            path = folder / f"{part}-{name}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    return folder
