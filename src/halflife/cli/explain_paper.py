"""What a page of ``halflife explain`` is made of: a title, headings, equations, pairs, tables that fold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

NARROW = 84
"""Below this many columns, tables of three columns or more are folded."""

SHORT = 36
"""What stands in a column of a derivation; longer expressions get lines of their own."""


class Step(NamedTuple):
    """A line of a derivation."""

    letter: str
    letters: str
    figures: str
    value: str
    remark: str


class Paper:
    """A console with the few things that the pages need."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.narrow = console.width < NARROW

    def title(self, name: str, subtitle: str, beneath: str) -> None:
        """The page's head."""
        self.console.print()
        self.console.print(Text.assemble((name, "bold cyan"), "  ", subtitle))
        self.console.print(Text("─" * self.console.width, style="cyan"))
        self.console.print(Text(beneath, style="dim"))

    def heading(self, words: str, aside: str = "") -> None:
        """A section's head."""
        self.console.print()
        self.console.print(Text.assemble((words, "bold"), (f"  {aside}" if aside else "", "dim")))

    def lines(self, lines: Iterable[str]) -> None:
        """Equations, a line each; what stands four blanks apart is a remark."""
        parts = [(equation, remark.strip()) for equation, _, remark in (line.partition("    ") for line in lines)]
        width = max((cell_len(equation) for equation, remark in parts if remark), default=0)
        for equation, remark in parts:
            text = Text(equation, "bold" if equation.startswith("w ←") else "")
            if remark:
                apart = " " * (width - cell_len(equation) + 4)
                text.append(
                    apart + remark if width + cell_len(remark) + 6 <= self.console.width else f"\n    {remark}", "dim"
                )
            self._put(text)

    def prose(self, words: str, style: str = "") -> None:
        """A paragraph."""
        self._put(Text(words, style=style))

    def bullets(self, lines: Iterable[str]) -> None:
        """A few remarks."""
        self.pairs([("·", line) for line in lines])

    def pairs(self, rows: Iterable[tuple[str, str | Text]]) -> None:
        """A word and what there is to say of it."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column()
        for row in rows:
            table.add_row(*row)
        self._put(table)

    def figures(self, headings: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
        """Columns of numbers; one without a heading holds words."""
        table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
        for heading in headings:
            table.add_column(heading, justify="right" if heading else "left", style="" if heading else "cyan")
        for row in rows:
            table.add_row(*row)
        self._put(table)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
        """Columns of words; where there is little room the last cell of each row goes beneath the others."""
        if self.narrow:
            for row in rows:
                self._folded([cell if isinstance(cell, Text) else Text(cell) for cell in row])
            return
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_header=any(headings))
        for index, heading in enumerate(headings):
            table.add_column(heading, style="" if index else "cyan", no_wrap=index < len(headings) - 1)
        for row in rows:
            table.add_row(*row)
        self._put(table)

    def derivation(self, steps: Sequence[Step]) -> None:
        """``letter = letters = figures = value``, in columns where that fits, else stacked; a remark beneath."""
        short = [step for step in steps if max(cell_len(step.letters), cell_len(step.figures)) <= SHORT]
        widths = [max(map(cell_len, column), default=0) for column in zip(*(step[1:4] for step in short), strict=True)]
        room = self.console.width - max(cell_len(step.letter) for step in steps) - sum(widths) - 10
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column()
        for step in steps:
            lines = [_aligned(step, widths)] if step in short and room >= 0 else _stacked(step)
            text = Text("\n".join(lines), style="bold" if step.letter == "w′" else "")
            table.add_row(step.letter, text.append(f"\n{step.remark}", "dim italic") if step.remark else text)
        self._put(table, 4)

    def _folded(self, cells: list[Text]) -> None:
        first = Text(cells[0].plain, style=cells[0].style or "cyan")
        self._put(Text("  ").join([first, *(Text(" ").join(cell.split("\n")) for cell in cells[1:-1])]))
        if cells[-1].plain:
            self._put(cells[-1], 6)

    def _put(self, what: Text | Table, indent: int = 2) -> None:
        self.console.print(Padding(what, (0, 0, 0, indent), expand=False))


def _aligned(step: Step, widths: Sequence[int]) -> str:
    cells = zip(step[1:4], widths, strict=True)
    return "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in cells)


def _stacked(step: Step) -> list[str]:
    """The letters, then the figures, then the value beside the last of them if it is short."""
    lines = [line for line in (step.letters, step.figures) if line]
    last = f"{lines.pop()}  {step.value}" if lines and cell_len(lines[-1]) <= SHORT else step.value
    return [*lines, last]
