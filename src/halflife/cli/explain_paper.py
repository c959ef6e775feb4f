"""The pages of ``halflife explain`` in rich's colours and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..explain.paper import Cell, Plot, Step
from .braille import side_by_side
from .letters import readable
from .paper import SHORT, TextPaper


class RichPaper(TextPaper):
    """A console with the few things that the pages need."""

    def __init__(self, console: Console) -> None:
        super().__init__(console.width)
        self.console = console

    def gap(self) -> None:
        """An empty line."""
        self.console.print()

    def title(self, name: str, subtitle: str, beneath: str) -> None:
        """The page's head."""
        self.gap()
        self.console.print(_text(((name, "bold cyan"), ("  ", ""), (subtitle, ""))))
        self.console.print(Text(readable("─") * self.console.width, style="cyan"))
        self.console.print(_text(((beneath, "dim"),)))

    def heading(self, words: str, aside: str = "") -> None:
        """A section's head."""
        self.gap()
        self.console.print(_text(((words, "bold"), (f"  {aside}" if aside else "", "dim"))))

    def lines(self, lines: Iterable[str]) -> None:
        """Equations, a line each; what stands four blanks apart is a remark."""
        split = (readable(line).partition("    ") for line in lines)
        parts = [(equation, remark.strip()) for equation, _, remark in split]
        width = max((cell_len(equation) for equation, remark in parts if remark), default=0)
        for equation, remark in parts:
            text = Text(equation, "bold" if equation.startswith(readable("w ←")) else "")
            if remark:
                apart = " " * (width - cell_len(equation) + 4)
                text.append(
                    apart + remark if width + cell_len(remark) + 6 <= self.console.width else f"\n    {remark}", "dim"
                )
            self._put(text)

    def prose(self, words: str, style: str = "") -> None:
        """A paragraph."""
        self._put(_text(((words, style),)))

    def pairs(self, rows: Iterable[Sequence[Cell]]) -> None:
        """A word and what there is to say of it."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")  # a long address goes on in the next line
        for row in rows:
            table.add_row(*map(_text, row))
        self._put(table)

    def figures(self, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Columns of numbers; one without a heading holds words."""
        table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
        for heading in headings:
            table.add_column(readable(heading), justify="right" if heading else "left", style="" if heading else "cyan")
        for row in rows:
            table.add_row(*map(_text, row))
        self._put(table)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Columns of words; where there is little room the last cell of each row goes beneath the others."""
        if self.narrow:
            for row in rows:
                self._folded([_text(cell) for cell in row])
            return
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_header=any(headings))
        for index, heading in enumerate(headings):
            table.add_column(readable(heading), style="" if index else "cyan", no_wrap=index < len(headings) - 1)
        for row in rows:
            table.add_row(*map(_text, row))
        self._put(table)

    def derivation(self, steps: Sequence[Step]) -> None:
        """``letter = letters = figures = value``, in columns where that fits, else stacked; a remark beneath."""
        steps = [Step(*map(readable, step)) for step in steps]
        short = [step for step in steps if max(cell_len(step.letters), cell_len(step.figures)) <= SHORT]
        widths = [max(map(cell_len, column), default=0) for column in zip(*(step[1:4] for step in short), strict=True)]
        room = self.console.width - max(cell_len(step.letter) for step in steps) - sum(widths) - 10
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column()
        for step in steps:
            lines = [_aligned(step, widths)] if step in short and room >= 0 else _stacked(step)
            text = Text("\n".join(lines), style="bold" if step.letter == readable("w′") else "")
            table.add_row(step.letter, text.append(f"\n{step.remark}", "dim italic") if step.remark else text)
        self._put(table, 4)

    def plots(self, plots: Sequence[Plot]) -> None:
        """Small pictures in dots, as many beside each other as there is room for."""
        for line in side_by_side(plots, self.console.width - 2):
            self._put(Text(readable(line)))

    def _folded(self, cells: list[Text]) -> None:
        first = cells[0] if cells[0].spans else Text(cells[0].plain, style="cyan")
        self._put(Text("  ").join([first, *(Text(" ").join(cell.split("\n")) for cell in cells[1:-1])]))
        if cells[-1].plain:
            self._put(cells[-1], 6)

    def _put(self, what: str | Text | Table, indent: int = 2) -> None:
        self.console.print(Padding(what, (0, 0, 0, indent), expand=False))


def _text(cell: Cell) -> Text:
    """In letters that there are; before columns are measured, as what is spelled is longer."""
    if isinstance(cell, str):
        return Text(readable(cell))
    return Text.assemble(*((readable(part), style) for part, style in cell))


def _aligned(step: Step, widths: Sequence[int]) -> str:
    cells = zip(step[1:4], widths, strict=True)
    return "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in cells)


def _stacked(step: Step) -> list[str]:
    """The letters, then the figures, then the value beside the last of them if it is short."""
    lines = [line for line in (step.letters, step.figures) if line]
    last = f"{lines.pop()}  {step.value}" if lines and cell_len(lines[-1]) <= SHORT else step.value
    return [*lines, last]
