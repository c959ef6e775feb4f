"""What was measured, and what follows from it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from ..lab.errors import StudyError
from .contenders import Role
from .sets import Gradients


@dataclass(frozen=True)
class Measurement:
    """One contender's steps on one parameter set; ``seconds`` holds one number a round, each the mean of a step.

    ``parameters`` and ``tensors`` are those that are stepped; ``left_out`` of the set are not, for the rule takes no
    such tensors. ``temporary_bytes_per_parameter`` is what a step holds at most beyond weights, gradients and states;
    None on devices whose allocator does not count it.
    """

    set: str
    gradients: Gradients
    optimizer: str
    contender: str
    role: Role
    nearest: str
    parameters: int
    tensors: int
    repetitions: int
    seconds: tuple[float, ...]
    bytes_per_parameter: float
    temporary_bytes_per_parameter: float | None = None
    left_out: int = 0

    @property
    def case(self) -> tuple[str, Gradients]:
        return self.set, self.gradients

    @property
    def milliseconds(self) -> float:
        return 1e3 * median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance of the quartiles, as a share of the median."""
        if len(self.seconds) < 2:
            return 0.0
        low, _, high = quantiles(self.seconds, n=4, method="inclusive")
        return (high - low) / 2 / median(self.seconds)

    @property
    def gigabytes_per_second(self) -> float:
        """Of the bytes that the step must move; what lies in the cache may exceed what memory can do."""
        return self.bytes_per_parameter * self.parameters / (self.milliseconds * 1e6)


class Speed(NamedTuple):
    """How many times as fast as torch's implementations of the same (or nearest) rule; None where there is none."""

    over_fused: float | None
    over_foreach: float | None


class Skipped(NamedTuple):
    """Who was not timed, and why; ``contender`` is empty where nobody was."""

    set: str
    gradients: Gradients
    optimizer: str
    contender: str
    reason: str


@dataclass
class Benchmark:
    """A run, as far as it came; ``stream`` is in GB/s."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    stream: float
    measurements: list[Measurement] = field(default_factory=list[Measurement])
    skipped: list[Skipped] = field(default_factory=list[Skipped])
    not_installed: list[str] = field(default_factory=list[str])


def speeds(measurements: Sequence[Measurement]) -> list[Speed]:
    """Each against torch's on the same set, with the same gradients and the same optimizer: ratios of medians."""
    times = {(m.case, m.optimizer, m.role): m.milliseconds for m in measurements if m.role in ("fused", "foreach")}

    def over(role: Role, m: Measurement) -> float | None:
        reference = times.get((m.case, m.optimizer, role))
        return None if reference is None else reference / m.milliseconds

    return [Speed(over("fused", m), over("foreach", m)) for m in measurements]


def write(benchmark: Benchmark, path: Path) -> None:
    """As JSON, whole or not at all. Raises ``StudyError`` if that cannot be."""
    rows = [_row(m, speed) for m, speed in zip(benchmark.measurements, speeds(benchmark.measurements), strict=True)]
    content = {
        "machine": benchmark.machine,
        "settings": benchmark.settings,
        "stream_gigabytes_per_second": benchmark.stream,
        "measurements": rows,
        "skipped": [skipped._asdict() for skipped in benchmark.skipped],
        "not_installed": benchmark.not_installed,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".part")
        draft.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        raise StudyError(f"the results {path} cannot be written ({error.strerror or error}).") from error


def _row(m: Measurement, speed: Speed) -> dict[str, Any]:
    return {
        **asdict(m),
        "milliseconds": m.milliseconds,
        "spread": m.spread,
        "gigabytes_per_second": m.gigabytes_per_second,
        "times_as_fast_as_torch_fused": speed.over_fused,
        "times_as_fast_as_torch_foreach": speed.over_foreach,
    }
