"""Where parameters are stepped, and what is particular there: time, memory, the stream that steps are held against."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from ..lab.errors import StudyError
from ..lab.machine import free_memory

Kind = Literal["cpu", "cuda"]
CPU_STREAM = "memory's stream (a ← a + s·b in place"


class Device(Protocol):
    """A device as the benchmark sees it.

    ``stream`` makes one pass over two arrays of ``stream_numbers`` float32, of which each counts ``stream_bytes``;
    ``stream_words`` say what it does, up to how many numbers.
    """

    kind: Kind
    where: torch.device
    stream_words: str
    stream_bytes: int
    stream_numbers: int

    def stream(self, a: Tensor, b: Tensor) -> None:
        """One pass."""
        ...

    def seconds(self, work: Callable[[], object], repetitions: int) -> float:
        """How long the device needs for so many calls, all of them together, begun when it has nothing else to do."""
        ...

    def temporaries(self, step: Callable[[], object]) -> int | None:
        """The bytes that a step holds at most beyond those that are there before it; None if nobody counts them."""
        ...

    def free_memory(self) -> float:
        """Bytes that can be had."""
        ...

    def facts(self) -> dict[str, Any]:
        """What it is, by its own account."""
        ...


class Cpu:
    """The processor and its memory.

    Its stream is in place as the optimizers are, so that no line is fetched just to be overwritten.
    """

    kind: Kind = "cpu"
    where = torch.device("cpu")
    stream_words, stream_bytes, stream_numbers = CPU_STREAM, 12, 3 * 4096**2

    def stream(self, a: Tensor, b: Tensor) -> None:
        a.add_(b, alpha=1e-3)

    def seconds(self, work: Callable[[], object], repetitions: int) -> float:
        start = perf_counter()
        for _ in range(repetitions):
            work()
        return perf_counter() - start

    def temporaries(self, step: Callable[[], object]) -> int | None:
        return None

    def free_memory(self) -> float:
        return free_memory()

    def facts(self) -> dict[str, Any]:
        return {"device": "cpu"}


class Cuda:
    """An NVIDIA GPU, timed by its own events: what Python takes longer to launch than the GPU to run counts as well."""

    kind: Kind = "cuda"
    stream_words, stream_bytes, stream_numbers = "card's copy (device to device", 8, 1 << 28

    def __init__(self, where: torch.device, api: Any = None) -> None:
        self.where, self._api = where, api or torch.cuda

    def stream(self, a: Tensor, b: Tensor) -> None:
        a.copy_(b)

    def seconds(self, work: Callable[[], object], repetitions: int) -> float:
        api, where = self._api, self.where
        start, end = api.Event(enable_timing=True), api.Event(enable_timing=True)
        api.synchronize(where)
        start.record(api.current_stream(where))
        for _ in range(repetitions):
            work()
        end.record(api.current_stream(where))
        end.synchronize()
        return start.elapsed_time(end) / 1e3

    def temporaries(self, step: Callable[[], object]) -> int | None:
        self._api.synchronize(self.where)
        self._api.reset_peak_memory_stats(self.where)
        before = self._api.memory_allocated(self.where)
        step()
        self._api.synchronize(self.where)
        return self._api.max_memory_allocated(self.where) - before

    def free_memory(self) -> float:
        """What nobody has, and what torch keeps for tensors to come."""
        free, _ = self._api.mem_get_info(self.where)
        return float(free + self._api.memory_reserved(self.where) - self._api.memory_allocated(self.where))

    def facts(self) -> dict[str, Any]:
        card = self._api.get_device_properties(self.where)
        return {
            "device": str(self.where),
            "card": card.name,
            "card_memory_bytes": card.total_memory,
            "compute_capability": f"{card.major}.{card.minor}",
            "cuda": torch.version.cuda,
        }


def kind_of(name: str) -> Kind:
    """Which kind of device torch's name is of. Raises ``StudyError`` for any but a CPU and a CUDA device."""
    try:
        found = torch.device(name).type
    except RuntimeError:
        found = ""
    if found not in ("cpu", "cuda"):
        raise StudyError(f"steps are timed on cpu or cuda (cuda:1 for the second card), but {name!r} was given.")
    return "cpu" if found == "cpu" else "cuda"


def device_of(name: str) -> Device:
    """The device that torch calls so. Raises ``StudyError`` if there is none."""
    if kind_of(name) == "cpu":
        return Cpu()
    where = torch.device(name)
    try:
        torch.empty(0, device=where)
    except (RuntimeError, AssertionError) as error:  # torch says it in both ways
        why = str(error).strip().partition("\n")[0]
        raise StudyError(f"there is no device {name!r} here ({why}); leave --device out to use the CPU.") from error
    return Cuda(where if ":" in name else torch.device("cuda", torch.cuda.current_device()))
