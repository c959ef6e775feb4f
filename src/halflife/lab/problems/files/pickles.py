"""CIFAR's Python form: pickles of a dictionary of arrays, opened without running what else a pickle may hold."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import StudyError
from .folder import read_bytes

_ARRAY = (np.ndarray, np.dtype, np.empty(0).__reduce__()[0])
_HARMLESS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _ARRAY[0],
    ("numpy", "dtype"): _ARRAY[1],
    ("numpy.core.multiarray", "_reconstruct"): _ARRAY[2],  # as numpy 1 spells it, which wrote the official files
    ("numpy._core.multiarray", "_reconstruct"): _ARRAY[2],
    ("_codecs", "encode"): str.encode,  # how Python 3 writes bytes for Python 2
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which is no array")
        return _HARMLESS[module, name]


def read_batch(path: Path, labels_key: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """``data`` and the labels. Raises ``StudyError`` if the file is damaged or holds anything but arrays."""
    try:
        batch: Any = _ArraysOnly(io.BytesIO(read_bytes(path)), encoding="latin1").load()
        return np.asarray(batch["data"], np.uint8), np.asarray(batch[labels_key], np.uint8)
    except KeyError as error:
        raise StudyError(f"{path} has no entry {error}, which every batch of CIFAR has: is it another file?") from None
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, OverflowError, AttributeError) as error:
        raise StudyError(f"{path} is truncated or no batch of CIFAR's: {error}; fetch it again.") from error
