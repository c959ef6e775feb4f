"""How long a step takes, ours beside torch's: ``run_benchmark(BenchmarkSettings(), Path("benchmark"))``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..lab.figures.matplotlib.heatmap import save
from .contenders import ENTRIES
from .devices import CPU_STREAM, Device
from .figure import draw_speeds
from .panels import panels_of, subtitle_of
from .results import Benchmark, Measurement, Skipped, Speed, speeds
from .run import BenchmarkProgress, BenchmarkSettings, run
from .sets import SETS, USUAL, ParameterSet

__all__ = [
    "CPU_STREAM",
    "ENTRIES",
    "SETS",
    "USUAL",
    "Benchmark",
    "BenchmarkProgress",
    "BenchmarkReport",
    "BenchmarkSettings",
    "Device",
    "Measurement",
    "ParameterSet",
    "Skipped",
    "Speed",
    "run_benchmark",
    "speeds",
]


class BenchmarkReport(NamedTuple):
    """A benchmark's numbers, where they were written, and the picture of them; None if nothing could be timed."""

    benchmark: Benchmark
    results: Path
    picture: Path | None


def run_benchmark(
    settings: BenchmarkSettings,
    folder: Path,
    progress: Callable[[BenchmarkProgress], None] = lambda report: None,
    device: Device | None = None,
) -> BenchmarkReport:
    """Time every optimizer's ``step()``; write ``benchmark.json`` and ``benchmark.png`` in ``folder``.

    ``device`` None is the one that the settings name. Asserts nothing about time. Raises ``StudyError`` if there is no
    such device, or the folder cannot be written.
    """
    results = folder / "benchmark.json"
    benchmark = run(settings, results, progress, device)
    panels = panels_of(benchmark)
    if not panels:
        return BenchmarkReport(benchmark, results, None)
    picture = folder / "benchmark.png"
    save(draw_speeds(panels, subtitle_of(benchmark)), picture)
    return BenchmarkReport(benchmark, results, picture)
