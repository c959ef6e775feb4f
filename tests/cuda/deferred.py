"""Kernels compiled many at a time: steps that write down what they would launch, and are done together at the end.

g++ takes half a second for a kernel by itself, and a tenth of that for one of fifty. Nothing that a table computes on
the host reads what its kernels write, so they may as well run once all of them are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import count
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


_count = count()


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
        kernels = compiled(dict.fromkeys((text for text, _ in self.launches), KERNEL), self.part)
        for text, arguments in self.launches:
            super().launch(kernels[text], 0, arguments)
        self.launches, self._kept = [], []


class Written(Deferred):
    """Keeps the texts that it is asked for, with the name that each has."""

    def __init__(self) -> None:
        super().__init__()
        self.name = f"written {next(_count)}"  # kernels are made once for a processor of that name
        self.texts = dict[str, str]()

    def kernel(self, text: str, name: str) -> str:
        self.texts[text] = name
        return text

    def launch(self, kernel: Any, size: int, arguments: Sequence[int]) -> None:
        """Nothing."""


class Beforehand(cuda.HostProcessor):
    """The CPU, whose kernels of these texts are compiled many at a time before they are asked for."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.name = f"beforehand {next(_count)}"
        self._kernels = compiled(texts, self.part)

    def kernel(self, text: str, name: str) -> Any:
        return self._kernels[text]


def compiled(texts: dict[str, str], part: int) -> dict[str, Any]:
    """The kernels of these texts, each with its name, in units under names of their own."""
    kernels, key = dict[str, Any](), cuda.HostProcessor().key
    for unit in batched(texts.items()):
        own = {text: (f"{name}{k}", name) for k, (text, name) in enumerate(unit)}
        whole = source("\n".join(text.replace(name, new) for text, (new, name) in own.items()), part)
        kernels |= {text: host.compiled(whole, new, key, name) for text, (new, name) in own.items()}
    return kernels


def batched(texts: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    rest = list(texts)
    for first in range(0, len(rest), UNIT):
        yield rest[first : first + UNIT]


@contextmanager
def compiled_by(processor: cuda.Processor) -> Iterator[None]:
    """Within, engine="compiled" is this processor."""
    choose = import_module("halflife.engines.choose")
    choice = choose._tabled("compiled", partial(cuda.Table, processor=processor), "the rule's own text")
    fused = choose.Fused(choice, partial(cuda.obstacles, processor=processor, kernel_for=None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choose, "_compiled", lambda: fused)
        yield
