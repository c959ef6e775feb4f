"""The terminal that commands print on."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from .letters import readable
from .wrapping import folded, page_width, stacked, terminal_width

WITHOUT_TERMINAL = 140
"""Columns where nobody says how many there are: enough for any table."""


def console() -> Console:
    """As wide as the terminal, or as COLUMNS says; wide enough for the table where there is neither."""
    return Console() if sys.stdout.isatty() else Console(width=terminal_width() or WITHOUT_TERMINAL)


def is_live(console: Console) -> bool:
    """Whether lines can be drawn over: asking for colours in a pipe makes no terminal of it."""
    return console.is_interactive and console.file.isatty()


def tell(console: Console, text: str, style: str = "") -> None:
    """A paragraph as text, no markup, wrapped at words where there is a width to wrap it to."""
    width = page_width()
    lines = [readable(text)] if width is None else folded(text, width)
    console.print(Text("\n".join(lines), style), soft_wrap=True)


def show_table(console: Console, table: Table) -> None:
    """The table; where it is wider than the terminal a paragraph for each row, so that no word is cut."""
    if _room(table) <= console.width:
        console.print(table)
        return
    if table.title:
        tell(console, str(table.title), "bold")
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    headings = [str(column.header) for column in table.columns]
    for row, cells in zip(table.rows, zip(*columns, strict=True), strict=True):
        for line in stacked(headings, cells, console.width):
            console.print(Text(line, row.style or ""), soft_wrap=True)
    for line in str(table.caption or "").splitlines():
        tell(console, line, "dim italic")


def _room(table: Table) -> int:
    """Columns that the table takes where cells are folded at words."""
    room = 1
    for column in table.columns:
        texts = [str(column.header), *map(str, column.cells)]
        words = texts if column.no_wrap else [word for text in texts for word in text.split()]
        room += max(map(cell_len, words), default=0) + 3
    return room


class Bar(Progress):
    """A bar below what is done now, which wraps as it must, and above what is best so far, if that is known."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Lines for each task."""
        for task in self.tasks:
            yield Text(readable(task.description))
            yield self.make_tasks_table([task])
            if task.fields.get("best"):
                yield Text(readable(task.fields["best"]), "green")
