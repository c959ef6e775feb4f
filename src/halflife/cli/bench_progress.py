"""How far a benchmark is: a bar on a terminal, a line for each optimizer elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from ..benchmark import BenchmarkProgress


@contextmanager
def reporter(console: Console) -> Generator[Callable[[BenchmarkProgress], None], None, None]:
    """What the benchmark calls with its progress.

    The bar moves only when it is told to: a thread that draws it now and then would take part in what is timed.
    """
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=28), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("measuring the memory's stream", total=None)
        bar.refresh()

        def show(progress: BenchmarkProgress) -> None:
            bar.update(task, description=progress.doing, completed=progress.done, total=progress.total, refresh=True)

        yield show


class _Lines:
    """One line when an optimizer begins."""

    def __init__(self, console: Console) -> None:
        self.console, self.doing = console, ""

    def __call__(self, progress: BenchmarkProgress) -> None:
        if progress.doing != self.doing:
            self.doing = progress.doing
            line = f"{progress.done:.0f}/{progress.total} · {progress.doing}"
            self.console.print(line, highlight=False, soft_wrap=True)
