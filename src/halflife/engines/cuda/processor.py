"""What compiles and runs kernels: the CPU by g++, an NVIDIA GPU by cuda.core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from .recording import ClockRecording, Recording
from .text import CLOCK, KERNEL, clock_text, kernel_text


class Processor(Protocol):
    """``part``: how many coordinates a kernel takes at a time. ``name``: the engine's."""

    name: str
    part: int
    device: torch.device

    @property
    def key(self) -> tuple[str, ...]:
        """What a compiled kernel depends on besides its text: compiler, flags, device, versions."""
        ...

    def kernel(self, text: str, name: str) -> Any:
        """The compiled kernel of that name in this text."""
        ...

    def upload(self, array: np.ndarray[Any, Any]) -> Tensor:
        """The array's bytes where a kernel can read them."""
        ...

    def launch(self, kernel: Any, size: int, arguments: Sequence[int]) -> None:
        """Run a kernel, with the arguments of its ``SIGNATURES``, over that many parts or, the clock's, tensors."""
        ...


class KernelError(RuntimeError):
    """A kernel that cannot be had, or is not right: why, in words that another engine's reason goes on with."""


_kernels: dict[tuple[str, torch.device, Recording | ClockRecording], Any] = {}


def kernel_of(recording: Recording | ClockRecording, processor: Processor) -> Any:
    """The compiled kernel of a recording, compiled once. Raises ``KernelError`` if it cannot be had, each time."""
    key = processor.name, processor.device, recording
    if key not in _kernels:
        try:
            if isinstance(recording, Recording):
                _kernels[key] = processor.kernel(kernel_text(recording), KERNEL)
            else:
                _kernels[key] = processor.kernel(clock_text(recording), CLOCK)
        except KernelError as error:
            _kernels[key] = error
        except OSError as error:
            _kernels[key] = KernelError(f"there is no folder to compile a kernel in ({error})")
    if isinstance(_kernels[key], KernelError):
        raise _kernels[key]
    return _kernels[key]
