"""How far a study is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..lab import Progress
from ..lab.units import error_text
from .terminal import Bar, is_live, tell

SILENCE = 30.0
"""Seconds between two lines where there is no terminal."""


@contextmanager
def reporter(console: Console) -> Generator[Callable[[Progress], None], None, None]:
    """What the study calls with its progress."""
    if not is_live(console):
        yield _Lines(console)
        return
    with Bar(*_columns(console.width), console=console, transient=True) as bar:
        task, start = bar.add_task("preparing", total=None, runs="", pace="", best=""), time.monotonic()

        def show(progress: Progress) -> None:
            bar.update(
                task,
                description=progress.doing,
                completed=progress.done,
                total=progress.total,
                runs=runs(progress),
                pace=pace(progress, time.monotonic() - start),
                best=best(progress),
            )

        yield show


def _columns(width: int) -> list[ProgressColumn]:
    """As many as fit: none is cut."""
    columns = {
        "spinner": (2, SpinnerColumn()),
        "runs": (17, TextColumn("{task.fields[runs]}")),
        "time": (8, TimeElapsedColumn()),
        "pace": (28, TextColumn("{task.fields[pace]}")),
    }
    fitting: list[ProgressColumn] = []
    for room, column in columns.values():
        if width >= room:
            fitting.append(column)
            width -= room
    return fitting if width < 6 else [fitting[0], BarColumn(bar_width=min(width - 1, 28)), *fitting[1:]]


class _Lines:
    """One line when an optimizer begins and every half minute."""

    def __init__(self, console: Console) -> None:
        self.console, self.start = console, time.monotonic()
        self.said, self.doing = -SILENCE, ""

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic() - self.start
        if progress.doing == self.doing and now - self.said < SILENCE:
            return
        self.said, self.doing = now, progress.doing
        parts = [runs(progress), progress.doing, pace(progress, now), best(progress)]
        tell(self.console, " · ".join(part for part in parts if part))


def runs(progress: Progress) -> str:
    """How many runs are done of how many; those in training count by their share."""
    return f"{progress.done:.0f}/{progress.total} runs"


def pace(progress: Progress, elapsed: float) -> str:
    """Runs a second and the time left at that pace; what the ledger had already counts for neither."""
    if elapsed < 1 or progress.trained <= 0:
        return ""
    rate = progress.trained / elapsed
    left = round((progress.total - progress.done) / rate)
    return f"{rate:.1f} runs/s, {left // 60}:{left % 60:02d} left"


def best(progress: Progress) -> str:
    """The best cell so far, in words."""
    found = progress.best
    if found is None:
        return ""
    where = f"{found.spec.label}, lr {found.best_lr:g}, λ {found.best_lam:g}"
    return f"least error {error_text(found.val_error.mean, found.unit)}: {where}"
