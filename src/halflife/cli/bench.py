"""``halflife bench``: how long a step takes here, beside torch's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..benchmark import ENTRIES, SETS, USUAL, BenchmarkReport, BenchmarkSettings, ParameterSet, run_benchmark
from ..lab import StudyError
from .bench_progress import reporter
from .bench_table import remarks, tables
from .terminal import console as terminal
from .terminal import show_table, tell
from .wrapping import give_up

_DEFAULT = BenchmarkSettings()
_THREADS, _MEMORY = "torch's choice", "what is free"
_USUAL = "; ".join(f"{', '.join(names)} on {kind}" for kind, names in USUAL.items())

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME", show_default=_USUAL, help=f"{', '.join(SETS)}; may be given repeatedly."),
]
Optimizers = Annotated[
    list[str] | None,
    typer.Option(
        "--optimizer",
        metavar="NAME",
        show_default="all; on a CPU those that multiply matrices only where they are named",
        help=f"{', '.join(ENTRIES)}, or of a registered rule; may be given repeatedly.",
    ),
]
Rounds = Annotated[int, typer.Option(min=1, help="Times that each contender has its turn; the median counts.")]
Threads = Annotated[int | None, typer.Option(min=1, show_default=_THREADS, help="Threads for everyone.")]
Memory = Annotated[
    float | None,
    typer.Option(min=0, metavar="GB", show_default=_MEMORY, help="Skip what would need more memory than this."),
]
Compiled = Annotated[bool, typer.Option("--compile", help="Time torch.compile of foreach too; slow to build.")]
Device = Annotated[
    str, typer.Option(metavar="NAME", help="Where the steps are: cpu, or cuda for an NVIDIA GPU, timed by its events.")
]
Out = Annotated[Path, typer.Option(help="Folder of benchmark.json and benchmark.png.")]


def bench(
    set_: Sets = None,
    optimizer: Optimizers = None,
    rounds: Rounds = _DEFAULT.rounds,
    threads: Threads = _DEFAULT.threads,
    memory: Memory = _DEFAULT.memory,
    compiled: Compiled = _DEFAULT.compiled,
    device: Device = _DEFAULT.device,
    out: Out = Path("halflife-bench"),
) -> None:
    """Time step() of every optimizer, beside torch's and whatever other library is installed; all takes long."""
    try:
        settings = BenchmarkSettings(
            sets=_sets(set_) if set_ else None,
            optimizers=tuple(optimizer) if optimizer else None,
            rounds=rounds,
            threads=threads,
            memory=memory,
            compiled=compiled,
            device=device,
        )
        with reporter(terminal()) as progress:
            report = run_benchmark(settings, out, progress)
    except StudyError as error:
        give_up(str(error))
    except KeyboardInterrupt:
        give_up(f"stopped; the sets that were finished are in {out / 'benchmark.json'}.", 130)
    _show(report)


def _sets(names: Sequence[str]) -> tuple[ParameterSet, ...]:
    for name in names:
        if name not in SETS:
            raise StudyError(f"set {name!r} is not known; choose among {', '.join(SETS)}.")
    return tuple(SETS[name] for name in names)


def _show(report: BenchmarkReport) -> None:
    console = terminal()
    for table in tables(report.benchmark):
        show_table(console, table)
    for line in [*remarks(report.benchmark), f"results: {report.results}"]:
        tell(console, line)
    if report.picture:
        tell(console, f"picture: {report.picture}")
