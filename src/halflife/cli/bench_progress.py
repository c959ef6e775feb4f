"""How far a benchmark is: a bar on a terminal, a line for each optimizer elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TimeElapsedColumn

from ..benchmark import BenchmarkProgress
from .terminal import Bar, is_live, tell


@contextmanager
def reporter(console: Console) -> Generator[Callable[[BenchmarkProgress], None], None, None]:
    """What the benchmark calls with its progress.

    The bar moves only when it is told to: a thread that draws it now and then would take part in what is timed.
    """
    if not is_live(console):
        yield _Lines(console)
        return
    columns = (SpinnerColumn(), BarColumn(bar_width=max(1, min(28, console.width - 12))), TimeElapsedColumn())
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
            tell(self.console, line)
