"""What a page of ``halflife explain`` is made of: a title, headings, equations, pairs, tables that fold; in plain text.

It stands on nothing but torch's own needs, so that a machine without rich has the pages too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from ..explain.paper import Cell, Paper, Plot, Step, columns, plain
from .braille import side_by_side
from .letters import readable
from .wrapping import folded

NARROW = 84
"""Below this many columns, tables of three columns or more are folded."""

SHORT = 36
"""What stands in a column of a derivation; longer expressions get lines of their own."""


class TextPaper(Paper):
    """A page printed as plain text of so many columns."""

    def __init__(self, width: int) -> None:
        self.width = width

    @property
    def narrow(self) -> bool:
        """Whether tables are folded."""
        return self.width < NARROW

    def gap(self) -> None:
        """An empty line."""
        print()

    def title(self, name: str, subtitle: str, beneath: str) -> None:
        """The page's head."""
        self.gap()
        self._put(f"{name}  {subtitle}", 0)
        print(readable("─") * self.width)
        self._put(beneath, 0)

    def heading(self, words: str, aside: str = "") -> None:
        """A section's head."""
        self.gap()
        self._put(f"{words}  {aside}" if aside else words, 0)

    def lines(self, lines: Iterable[str]) -> None:
        """Equations, a line each; what stands four blanks apart is a remark."""
        for line in lines:
            equation, _, remark = line.partition("    ")
            self._put(equation)
            if remark:
                self._put(remark.strip(), 6)

    def prose(self, words: str, style: str = "") -> None:
        """A paragraph."""
        self._put(words)

    def bullets(self, lines: Iterable[str]) -> None:
        """A few remarks."""
        self.pairs([("·", line) for line in lines])

    def pairs(self, rows: Iterable[Sequence[Cell]]) -> None:
        """A word and what there is to say of it."""
        self._grid([[plain(cell) for cell in row] for row in rows])

    def figures(self, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Columns of numbers; one without a heading holds words."""
        self._grid([[plain(cell) for cell in row] for row in (headings, *rows)])

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Columns of words; where there is little room the last cell of each row goes beneath the others."""
        texts = [[plain(cell) for cell in row] for row in rows]
        if not self.narrow:
            self._grid([list(headings), *texts] if any(headings) else texts)
            return
        for row in texts:
            self._put("  ".join(" ".join(cell.split("\n")) for cell in row[:-1]))
            if row[-1]:
                self._put(row[-1], 6)

    def derivation(self, steps: Sequence[Step]) -> None:
        """``letter = letters = figures = value``, a line for each; a remark beneath."""
        self._grid([[step.letter, "\n".join(part for part in step[1:] if part)] for step in steps], 4)

    def plots(self, plots: Sequence[Plot]) -> None:
        """Small pictures in dots, as many beside each other as there is room for."""
        for line in side_by_side(plots, self.width - 2):
            print(f"  {readable(line)}".rstrip())

    def _grid(self, rows: Sequence[Sequence[str]], indent: int = 2) -> None:
        """Columns as wide as they need, the last of them folded to what is left."""
        cells = [[readable(cell) for cell in row] for row in rows]
        fronts = list(zip(*cells, strict=True))[:-1]
        widths = [max(columns(line) for cell in front for line in cell.split("\n")) for front in fronts]
        room = self.width - indent - sum(width + 2 for width in widths)
        for row in cells:
            for parts in zip_longest(*(cell.split("\n") for cell in row[:-1]), folded(row[-1], room), fillvalue=""):
                front = "".join(part + " " * (w - columns(part) + 2) for part, w in zip(parts, widths, strict=False))
                print((" " * indent + front + parts[-1]).rstrip())

    def _put(self, what: str, indent: int = 2) -> None:
        for line in folded(what, self.width - indent):
            print(f"{' ' * indent}{line}".rstrip())
