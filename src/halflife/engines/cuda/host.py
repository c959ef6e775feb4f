"""The same text on the CPU: compiled by g++ when it is first needed, and called by ctypes."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import ctypes
import os
import platform
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
    *("-std=c++17", "-O3", "-march=native", "-mprefer-vector-width=512", "-ffp-contract=fast", "-fno-math-errno"),
    *("-fno-trapping-math", "-fno-signed-zeros", "-fopenmp", "-fPIC", "-shared", "-fvisibility=hidden", "-w"),
)
"""Those of the native engine, but for the processor's own instruction set: NaN and infinity keep their meaning."""


class HostProcessor:
    """The CPU as what runs generated kernels. ``part``: how many coordinates a thread takes at a time."""

    name = "compiled"
    part = 16384
    device = torch.device("cpu")

    def kernel(self, text: str, name: str) -> Any:
        """The compiled kernel of that name in this text. Raises ``KernelError``."""
        return compiled(source(text, self.part), name)

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
    return None if compiler() else "there is no C++ compiler (g++) here"


@cache
def compiler() -> str | None:
    """The path of g++, or of what CXX names."""
    return shutil.which(os.environ.get("CXX") or "g++")


@cache
def compiled(text: str, name: str = KERNEL) -> Any:
    """The function of that name in this C++ text, from the cache on disk where it was compiled before."""
    library = disk.artifact([text, _version(), " ".join(FLAGS), _processor()], ".so", lambda to: _compile(text, to))
    function = getattr(ctypes.CDLL(str(library)), name)
    function.restype, function.argtypes = None, _ARGUMENTS[name]
    return function


_KINDS = {"address": ctypes.c_void_p, "int32": ctypes.c_int32, "int64": ctypes.c_int64}
_ARGUMENTS: dict[str, list[Any]] = {name: [_KINDS[kind] for kind in kinds] for name, kinds in SIGNATURES.items()}
_ARGUMENTS[KERNEL].append(ctypes.c_int)  # how many threads


def _compile(text: str, to: Path) -> None:
    program = compiler()
    if program is None:
        raise KernelError(str(obstacle()))
    done = subprocess.run(
        [program, *FLAGS, "-x", "c++", "-", "-o", str(to)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    if done.returncode:
        raise KernelError(f"{program} does not compile a kernel: {done.stderr.strip()[-2000:]}")


@cache
def _version() -> str:
    program = compiler()
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False, encoding="utf-8")
    return f"{program} {done.stdout.splitlines()[0] if done.stdout else ''}"


@cache
def _processor() -> str:
    """What -march=native stands for: a cache may be shared by machines with different processors."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(dict.fromkeys(line for line in lines if line.startswith(("model name", "flags", "Features"))))
