"""The native engine's shared library: found and loaded once, or why there is none, in words.

Two environment variables are read at the first call of ``load``: ``HALFLIFE_NATIVE=0`` does without the library, and
``HALFLIFE_LIBRARY=path`` takes another one than what was installed (a build with sanitizers, say).
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

HL_ABI = 3
"""The version of native/halflife.h that the Python side was written for."""

INSTALLED = Path(__file__).with_name("libhalflife_native.so")


class Functor(NamedTuple):
    """A compiled rule: its number in a row, how many states and scalars it has, and its hyper-parameters' names.

    ``states`` are those for each coordinate; ``scalars`` stand beside the step count; ``hyper`` is the order in which
    the row's ``hyper`` holds the numbers.
    """

    number: int
    states: int
    scalars: int
    hyper: tuple[str, ...]


@dataclass(frozen=True)
class Library:
    """A loaded library: where it lies, which instruction set it uses, its calls, its rules and its tables' layouts.

    ``step(entries, n_entries, rows, threads)`` and ``gradient_norm`` of the same arguments take addresses as integers;
    native/halflife.h says what must lie there and what is returned. Both release the GIL. ``functors`` has a rule's
    functor under its class's name and its words (``("RMSprop", "plain raw outside")``); ``entry`` and ``row`` are the
    layouts of a tensor's and a group's line in the two tables.
    """

    path: Path
    level: str
    step: Callable[[int, int, int, int], int]
    gradient_norm: Callable[[int, int, int, int], float]
    functors: Mapping[tuple[str, str], Functor]
    entry: np.dtype[np.void]
    row: np.dtype[np.void]

    def functor(self, name: str, variant: str = "") -> Functor | None:
        """The functor of a rule in these words; None where none is compiled."""
        return self.functors.get((name, variant))


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
            return Missing(f"{path} has interface {abi}, and {HL_ABI} is needed: install halflife again")
        level = _text(dll.hl_level)
        if level == "none":
            return Missing("this processor lacks x86-64-v2, that is SSE 4.2 and POPCNT")
        table = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int)
        step = _declare(dll.hl_step, ctypes.c_int64, *table)
        norm = _declare(dll.hl_gradient_norm, ctypes.c_double, *table)
        functors, (entry, row) = _functors(_text(dll.hl_rules)), _layouts(_text(dll.hl_sizes))
    except OSError as error:
        return Missing(f"it does not load: {error}")
    except AttributeError as error:
        return Missing(f"it is another library than halflife's: {error}")
    except ValueError as error:
        return Missing(f"{path} {error}: install halflife again")
    return Library(path, level, step, norm, functors, entry, row)


def _declare(function: Any, result: type, *arguments: type) -> Callable[..., Any]:
    function.restype, function.argtypes = result, arguments
    return function


def _text(function: Any) -> str:
    return _declare(function, ctypes.c_char_p)().decode()


def _functors(text: str) -> dict[tuple[str, str], Functor]:
    """What hl_rules says, read line by line."""
    functors: dict[tuple[str, str], Functor] = {}
    for place, line in enumerate(text.splitlines()):
        try:
            number, name, variant, states, scalars, hyper = line.split("\t")
            functor = Functor(int(number), int(states), int(scalars), tuple(hyper.split()))
        except ValueError:
            raise ValueError(f"has a line in its list of rules that cannot be read ({line!r})") from None
        if functor.number != place or (name, variant) in functors:
            raise ValueError(f"counts its rules wrongly, or names one twice ({line!r})")
        functors[name, variant] = functor
    return functors


def _layouts(text: str) -> tuple[np.dtype[np.void], np.dtype[np.void]]:
    """An entry and a row, as native/entry.hpp and native/halflife.h have them, with arrays as long as hl_sizes says."""
    try:
        of = {name: int(size) for name, size in (line.split("\t") for line in text.splitlines())}
        states, clocks, hyper, penalty = ((of[name],) for name in ("state", "clock", "hyper", "penalty"))
        said = {"entry": of["entry"], "row": of["row"]}
    except (ValueError, KeyError):
        raise ValueError(f"does not say how long its tables' lines are ({text!r})") from None
    pointer, word, byte, number = np.uint64, np.int32, np.uint8, np.float64
    entry = _layout(
        *(("w", pointer, ()), ("g", pointer, ()), ("state", pointer, states), ("scale", pointer, states)),
        *((name, pointer, ()) for name in ("anchor", "mask", "kahan", "ema")),
        ("clock", pointer, clocks),
        *((name, np.int64, ()) for name in ("n", "block", "origin", "run", "gap")),
        ("row", word, ()),
        *((name, byte, ()) for name in ("w_format", "g_format", "state_format", "clock_format")),
        *(("first", word, ()), ("dithered", word, ())),
    )
    row = _layout(
        *((name, word, ()) for name in ("rule", "placement", "threshold", "regularizer", "rounding")),
        *((name, number, ()) for name in ("lr", "scale", "lam", "gradient")),
        *(("hyper", number, hyper), ("penalty", number, penalty), ("ema_decay", number, ())),
    )
    for kind, layout in (("entry", entry), ("row", row)):
        if layout.itemsize != said[kind]:
            raise ValueError(f"has {said[kind]} bytes in its table's {kind}, where {layout.itemsize} are expected")
    return entry, row


def _layout(*fields: tuple[str, type, tuple[int, ...]]) -> np.dtype[np.void]:
    return np.dtype(list(fields), align=True)


def _why_not_built() -> str:
    if not sys.platform.startswith("linux"):
        return f"it is built on Linux alone so far, and this is {sys.platform}"
    why = "no C++ compiler at the install, or a source tree that nothing was built in"
    return f"{INSTALLED.name} was not built ({why}); with g++ 10 or newer, install halflife again"


_forked = False


def threads() -> int:
    """How many threads a call of the library may use: torch's number, and 1 in a process that was forked.

    No thread survives ``os.fork`` but the one that called it, and libgomp does not know: the first loop on several
    threads waits for ever for those that the parent had, whether the parent's loop was ours or torch's own, which share
    one list of threads. Nothing tells from outside whether there had been one, so that every forked process steps on
    one thread, to the same bits. (torch's own operations on more than some 32,000 numbers hang in such a child as well,
    unless it calls ``torch.set_num_threads(1)``.) A process that was spawned has its threads as ever.
    """
    return 1 if _forked else torch.get_num_threads()


def _after_fork() -> None:
    global _forked  # noqa: PLW0603
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
