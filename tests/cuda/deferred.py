"""Kernels compiled many at a time: steps that write down what they would launch, and are done together at the end.

g++ takes half a second for a kernel by itself, and a tenth of that for one of fifty. Nothing that a table computes on
the host reads what its kernels write, so they may as well run once all of them are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from halflife.engines import cuda
from halflife.engines.cuda import host
from halflife.engines.cuda.text import KERNEL, source

UNIT = 50
"""Kernels that g++ is given at a time."""

needs_compiler = pytest.mark.skipif(host.obstacle() is not None, reason=str(host.obstacle()))


class Deferred(cuda.HostProcessor):
    """The CPU, but that nothing is compiled or run before ``play``; until then nobody may let go of a gradient."""

    name = "deferred"

    def __init__(self) -> None:
        self.launches = list[tuple[str, tuple[int, ...]]]()
        self._kept = list[Tensor]()

    def kernel(self, text: str, name: str) -> str:
        return text

    def upload(self, array: np.ndarray[Any, Any]) -> Tensor:
        self._kept.append(super().upload(array))
        return self._kept[-1]

    def launch(self, kernel: Any, size: int, arguments: Sequence[int]) -> None:
        self.launches.append((kernel, tuple(arguments)))

    def play(self) -> None:
        """Compile what is needed, and make the launches in their order."""
        kernels = compiled(list(dict.fromkeys(text for text, _ in self.launches)), self.part)
        for text, arguments in self.launches:
            super().launch(kernels[text], 0, arguments)
        self.launches, self._kept = [], []


def compiled(texts: Sequence[str], part: int) -> dict[str, Any]:
    """The kernels of these texts, which all have the same name, in units under names of their own."""
    kernels, key = dict[str, Any](), cuda.HostProcessor().key
    for first in range(0, len(texts), UNIT):
        own = texts[first : first + UNIT]
        unit = source("\n".join(text.replace(KERNEL, f"{KERNEL}{k}") for k, text in enumerate(own)), part)
        kernels |= {text: host.compiled(unit, f"{KERNEL}{k}", key, KERNEL) for k, text in enumerate(own)}
    return kernels


@contextmanager
def compiled_by(processor: cuda.Processor) -> Iterator[None]:
    """Within, engine="compiled" is this processor."""
    choose = import_module("halflife.engines.choose")
    choice = choose._tabled("compiled", partial(cuda.Table, processor=processor), "the rule's own text")
    fused = choose.Fused(choice, partial(cuda.obstacles, processor=processor, kernel_for=None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choose, "_compiled", lambda: fused)
        yield
