"""The same text on the CPU: compiled by g++ when it is first needed, and called by ctypes."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import ctypes
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..library import threads
from . import cache as disk
from .processor import KernelError
from .text import KERNEL, SIGNATURES, source

FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"),
    *("-fopenmp", "-fPIC", "-shared", "-fvisibility=hidden", "-w"),
    *(("-mprefer-vector-width=512",) if platform.machine() in ("x86_64", "AMD64") else ()),
)
"""Those of the native engine, but for the processor's own instructions, and zeros keep their signs: without, g++ 12
makes 0 of NaN times 0 in a loop."""


class HostProcessor:
    """The CPU as what runs generated kernels. ``part``: how many coordinates a thread takes at a time."""

    name = "compiled"
    part = 16384
    device = torch.device("cpu")

    @property
    def key(self) -> tuple[str, ...]:
        """What a compiled kernel depends on besides its text: compiler, flags, and the instructions that it may use."""
        return version(), " ".join(FLAGS), _processor()

    def kernel(self, text: str, name: str) -> Any:
        """The compiled kernel of that name in this text. Raises ``KernelError``."""
        return compiled(source(text, self.part), name, self.key)

    def upload(self, array: np.ndarray[Any, Any]) -> Tensor:
        """The array where kernels can read it: its own memory."""
        return torch.from_numpy(array)

    def launch(self, kernel: Any, size: int, arguments: Sequence[int]) -> None:
        """Run a kernel over that many parts or, the clock's, tensors."""
        kernel(*arguments, *((threads(),) if kernel.argtypes is _ARGUMENTS[KERNEL] else ()))


def is_wanted() -> bool:
    """Whether HALFLIFE_COMPILE=cpu asks for compiled kernels on the CPU, for rules that the native engine lacks."""
    return os.environ.get("HALFLIFE_COMPILE") == "cpu"


def obstacle() -> str | None:
    """Why nothing can be compiled here, if that is so."""
    if compiler():
        return None
    given = os.environ.get("CXX")
    return f"CXX={given} names no program here" if given else "there is no C++ compiler (g++) here"


@cache
def compiler() -> tuple[str, ...]:
    """The command of g++, or what CXX names, with its own arguments; nothing where there is none."""
    program, *arguments = shlex.split(os.environ.get("CXX") or "g++") or [""]
    path = shutil.which(program)
    return (path, *arguments) if path else ()


@cache
def version() -> str:
    """The compiler's command and what it says of itself. Raises ``KernelError``."""
    return f"{shlex.join(compiler())} ({_called('--version').stdout.partition(chr(10))[0]})"


@cache
def compiled(text: str, name: str, key: tuple[str, ...], kind: str | None = None) -> Any:
    """The function of that name in this C++ text, from the cache on disk where it was compiled before.

    ``key``: what it depends on besides. ``kind``: which of ``SIGNATURES`` it has, if not the one of its name.
    """
    library = disk.artifact((text, *key), ".so", lambda to: _compile(text, to))
    try:
        function = getattr(ctypes.CDLL(str(library)), name)
    except OSError as error:
        raise KernelError(
            f"a compiled kernel does not load ({error}); where {library.parent} allows no programs, let "
            f"{disk.FOLDER} name another folder"
        ) from None
    function.restype, function.argtypes = None, _ARGUMENTS[kind or name]
    return function


_KINDS = {"address": ctypes.c_void_p, "int32": ctypes.c_int32, "int64": ctypes.c_int64}
_ARGUMENTS: dict[str, list[Any]] = {name: [_KINDS[kind] for kind in kinds] for name, kinds in SIGNATURES.items()}
_ARGUMENTS[KERNEL].append(ctypes.c_int)  # how many threads


def _compile(text: str, to: Path) -> None:
    done = _called(*FLAGS, "-x", "c++", "-", "-o", str(to), given=text)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        error = next((line for line in said if "error" in line.lower()), said[-1])
        raise KernelError(f"{version()} does not compile a kernel: {error.strip()[:300]}")


def _called(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """What the compiler does with these arguments. Raises ``KernelError`` where there is none, or it does not end."""
    why = obstacle()
    if why:
        raise KernelError(why)
    try:
        return subprocess.run(
            [*compiler(), *arguments],
            input=given,
            capture_output=True,
            check=False,
            timeout=600,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KernelError(f"{shlex.join(compiler())} cannot be run ({error})") from None


@cache
def _processor() -> str:
    """What -march=native stands for: a cache may be shared by machines with different processors."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(dict.fromkeys(line for line in lines if line.startswith(("model name", "flags", "Features"))))
