"""The same text on an NVIDIA GPU: compiled by NVRTC when it is first needed, and launched, both through cuda.core."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from functools import cache, lru_cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import cache as disk
from .processor import KernelError
from .text import KERNEL, SIGNATURES, source

SWITCH = "HALFLIFE_CUDA"
"""The environment variable that turns this off where it is 0."""

OLDEST = (7, 0)
"""The compute capability from which on a thread of a warp may wait for the others wherever it is."""

THREADS = 128
"""Of a block, as HL_THREADS in fused.hpp."""

SHIM = """\
#define HL_GPU 1
typedef unsigned char uint8_t; typedef unsigned short uint16_t; typedef int int32_t; typedef unsigned int uint32_t;
typedef long long int64_t; typedef unsigned long long uint64_t;
namespace std { using ::memcpy; inline float abs(float x) { return ::fabsf(x); } }
"""
"""In the place of <cmath>, <cstdint> and <cstring>, which NVRTC has not."""

OPTIONS: dict[str, Any] = {"std": "c++17", "device_as_default_execution_space": True, "fma": False}
"""Every operation is rounded by itself, as torch's are: a line that is to be rounded once says so."""

_KINDS = {"address": np.uint64, "int32": np.int32, "int64": np.int64}


class GpuProcessor:
    """One NVIDIA GPU as what runs generated kernels. ``part``: how many coordinates a block of threads takes."""

    name = "cuda"
    part = 2048

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._spare, self._captured = dict[int, Tensor](), list[Tensor]()

    @property
    def key(self) -> tuple[str, ...]:
        """What a kernel depends on besides its text."""
        return (*compiler_key(architecture(self.device)), torch.cuda.get_device_name(self.device))

    def kernel(self, text: str, name: str) -> Any:
        """The compiled kernel of that name in this text. Raises ``KernelError``."""
        why = obstacle(self.device)
        if why:
            raise KernelError(why)
        code = cubin(source(text, self.part), architecture(self.device))
        with torch.cuda.device(self.device):
            return Kernel(_core().ObjectCode.from_cubin(code).get_kernel(name), name)

    def upload(self, array: np.ndarray[Any, Any]) -> Tensor:
        """The array's bytes on the device, copied there in the current stream: nobody waits for it."""
        pinned = self._pinned(array.nbytes)
        pinned.numpy()[:] = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
        return pinned.to(self.device, non_blocking=True)

    def _pinned(self, size: int) -> Tensor:
        """Memory that the device copies from, which torch gives to others only when that is done.

        A graph copies from it whenever it is replayed: it is kept then. Nothing can be pinned while a graph is
        captured, so that the last piece of each size is kept for that.
        """
        if torch.cuda.is_current_stream_capturing() and size in self._spare:
            self._captured.append(self._spare.pop(size))
            return self._captured[-1]
        self._spare[size] = pinned = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        return pinned

    def launch(self, kernel: Kernel, size: int, arguments: Sequence[int]) -> None:
        """Run a kernel over that many parts or, the clock's, tensors, in torch's current stream."""
        blocks = size if kernel.name == KERNEL else -(-size // THREADS)
        kinds = (_KINDS[kind] for kind in SIGNATURES[kernel.name])
        with torch.cuda.device(self.device):
            stream = Stream(torch.cuda.current_stream(self.device).cuda_stream)
            given = [kind(x) for kind, x in zip(kinds, arguments, strict=True)]
            _core().launch(stream, _grid(blocks), kernel.loaded, *given)


class Kernel(NamedTuple):
    """A kernel that was loaded, and its name, by which its arguments are known."""

    loaded: Any
    name: str


class Stream(NamedTuple):
    """A stream of torch's as cuda.core asks for one."""

    handle: int

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.handle


def obstacle(device: torch.device) -> str | None:
    """Why no kernel can be compiled for this device, if that is so."""
    if os.environ.get(SWITCH) == "0":
        return f"{SWITCH}=0 turns it off"
    if torch.version.hip is not None:
        return "it is for NVIDIA GPUs, and this torch is made for AMD's (ROCm)"
    if not torch.cuda.is_available():
        return "torch sees no NVIDIA GPU here"
    if capability(device) < OLDEST:
        major, minor = capability(device)
        return f"it needs compute capability {OLDEST[0]}.{OLDEST[1]} or more, and {device} has {major}.{minor}"
    return without_core()


def without_core() -> str | None:
    """Why cuda.core cannot be had, if that is so, and what to do."""
    try:
        _core()
    except (ImportError, OSError, RuntimeError) as error:
        return (
            f"cuda.core cannot be imported ({error}); pip install 'halflife-optim[cuda]' brings it; without it a step "
            "on a GPU goes through foreach, which holds several models of temporaries"
        )
    return None


@cache
def capability(device: torch.device) -> tuple[int, int]:
    """The compute capability of a device."""
    return torch.cuda.get_device_capability(device)


def architecture(device: torch.device) -> str:
    """What NVRTC calls a device's instruction set: sm_90."""
    major, minor = capability(device)
    return f"sm_{major}{minor}"


def cubin(text: str, arch: str) -> bytes:
    """This C++ text as code for an architecture, from the cache on disk where it was compiled before.

    Needs no GPU. Raises ``KernelError`` where NVRTC does not compile it.
    """
    return disk.artifact((text, *compiler_key(arch)), ".cubin", partial(_compile, text, arch)).read_bytes()


def compiler_key(arch: str) -> tuple[str, ...]:
    """What code for an architecture depends on besides its text."""
    return arch, repr(sorted(OPTIONS.items())), SHIM, _version()


def _compile(text: str, arch: str, to: Path) -> None:
    core, log = _core(), io.StringIO()
    text = SHIM + re.sub(r"#include <\w+>\n", "", text)
    try:
        program = core.Program(text, "c++", core.ProgramOptions(arch=arch, **OPTIONS))
        to.write_bytes(bytes(program.compile("cubin", logs=log).code))
    except Exception as error:  # what cuda.core raises differs from version to version, and each has another engine
        said = log.getvalue().strip() or str(error)
        raise KernelError(f"NVRTC does not compile a kernel for {arch}: {said[-2000:]}") from error


@cache
def _core() -> Any:
    """cuda.core, which halflife needs for this alone."""
    return import_module("cuda.core")


@cache
def _version() -> str:
    """Of cuda.core and of NVRTC."""
    numbers = import_module("cuda.bindings.nvrtc").nvrtcVersion()[1:]
    return f"cuda.core {_core().__version__} NVRTC {numbers}"


@lru_cache(maxsize=1024)
def _grid(blocks: int) -> Any:
    return _core().LaunchConfig(grid=blocks, block=THREADS)
