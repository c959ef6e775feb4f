"""The native library's tables made by hand of NumPy arrays: each part can be seen, and taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halflife.engines.library import Functor, Library

F32, F64, BF16, F16, FP8 = range(5)
NONE, BEFORE, EXPLICIT, CAUTIOUS, IMPLICIT = range(5)
L2, TOWARD_INIT, SUM = 0, 8, 16
NEAREST, STOCHASTIC, KAHAN = range(3)
_OF = {F32: np.float32, F64: np.float64, BF16: np.uint16, F16: np.float16, FP8: np.uint8}


@dataclass
class Tables:
    """One row, and entries of n coordinates each, that lack nothing; ``parts`` are the arrays that they point to."""

    library: Library
    rows: NDArray[Any]
    entries: NDArray[Any]
    parts: list[NDArray[Any]]

    def step(self, threads: int = 1) -> int:
        return self.library.step(self.entries.ctypes.data, len(self.entries), self.rows.ctypes.data, threads)

    def gradient_norm(self) -> float:
        return self.library.gradient_norm(self.entries.ctypes.data, len(self.entries), self.rows.ctypes.data, 1)

    def point(self, index: int, name: str, k: int | None, array: NDArray[Any]) -> NDArray[Any]:
        """Let an entry's pointer lead to this array."""
        self.parts.append(array)
        where = self.entries[index][name]
        if k is None:
            self.entries[index][name] = array.ctypes.data
        else:
            where[k] = array.ctypes.data
        return array


def tables(
    library: Library, functor: Functor, n: int = 5, entries: int = 1, w_format: int = F32, state_format: int = F32
) -> Tables:
    """Tables of entries that have every part; the row leaves out the decay and rounds to nearest."""
    made = Tables(library, np.zeros(1, library.row), np.zeros(entries, library.entry), [])
    made.rows["rule"], made.rows["lr"], made.rows["gradient"] = functor.number, 0.1, 1.0
    made.rows["ema_decay"], made.rows["scale"], made.rows["lam"] = -1.0, 0.1, 0.5
    made.rows["hyper"][0, : len(functor.hyper)] = 0.5
    wide = np.float64 if w_format == F64 else np.float32
    for i in range(entries):
        entry = made.entries[i]
        entry["n"], entry["w_format"], entry["g_format"], entry["state_format"] = n, w_format, w_format, state_format
        for name in ("w", "g", "anchor"):
            made.point(i, name, None, np.ones(n, _OF[w_format]))
        made.point(i, "ema", None, np.zeros(n, wide))
        for k in range(functor.states):
            made.point(i, "state", k, np.ones(n, _OF[state_format]))
            made.point(i, "scale", k, np.ones(-(-n // 256), np.float32))
        for k in range(1 + functor.scalars):
            made.point(i, "clock", k, np.zeros(1, np.float32))
    return made
