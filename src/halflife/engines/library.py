"""The native engine's shared library: found and loaded once, or why there is none, in words.

Two environment variables are read at the first call of ``load``: ``HALFLIFE_NATIVE=0`` does without the library, and
``HALFLIFE_LIBRARY=path`` takes another one than what was installed (a build with sanitizers, say).
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HL_ABI = 2
"""The version of native/halflife.h that the Python side was written for."""

INSTALLED = Path(__file__).with_name("libhalflife_native.so")


@dataclass(frozen=True)
class Library:
    """A loaded library: where it lies, which instruction set it uses, and its calls.

    ``step(entries, n_entries, rows, threads)`` and ``gradient_norm`` of the same arguments take addresses as integers;
    native/halflife.h says what must lie there and what is returned. Both release the GIL.
    """

    path: Path
    level: str
    step: Callable[[int, int, int, int], int]
    gradient_norm: Callable[[int, int, int, int], float]


@dataclass(frozen=True)
class Missing:
    """Why there is no library, in words that go on from "no native engine: "."""

    reason: str


@cache
def load() -> Library | Missing:
    """The library, loaded at the first call; every later call returns the same."""
    if os.environ.get("HALFLIFE_NATIVE") == "0":
        return Missing("HALFLIFE_NATIVE=0 turns it off")
    override = os.environ.get("HALFLIFE_LIBRARY")
    if override:
        path = Path(override).absolute()
        return open_library(path) if path.is_file() else Missing(f"HALFLIFE_LIBRARY={override} is no file")
    return open_library(INSTALLED) if INSTALLED.is_file() else Missing(_why_not_built())


def open_library(path: Path) -> Library | Missing:
    """Load this file and check that it is the library that the Python side was written for.

    The package has imported torch by now, so the library finds torch's libgomp in the process and shares its threads.
    """
    try:
        dll = ctypes.CDLL(str(path))
        abi = _declare(dll.hl_abi, ctypes.c_int)()
        if abi != HL_ABI:
            return Missing(f"{path} has interface {abi}, and {HL_ABI} is needed: install halflife-optim again")
        level = _declare(dll.hl_level, ctypes.c_char_p)().decode()
        if level == "none":
            return Missing("this processor lacks x86-64-v2, that is SSE 4.2 and POPCNT")
        table = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int)
        step = _declare(dll.hl_step, ctypes.c_int64, *table)
        norm = _declare(dll.hl_gradient_norm, ctypes.c_double, *table)
    except OSError as error:
        return Missing(f"it does not load: {error}")
    except AttributeError as error:
        return Missing(f"it is another library than halflife's: {error}")
    return Library(path, level, step, norm)


def _declare(function: Any, result: type, *arguments: type) -> Callable[..., Any]:
    function.restype, function.argtypes = result, arguments
    return function


def _why_not_built() -> str:
    if not sys.platform.startswith("linux"):
        return f"it is built on Linux alone so far, and this is {sys.platform}"
    why = "no C++ compiler at the install, or a source tree that nothing was built in"
    return f"{INSTALLED.name} was not built ({why}); with g++ 10 or newer, install halflife-optim again"
