"""What a page is written on: a title, headings, equations, pairs, tables, plots.

The same page goes to a terminal in plain text or in colours (``halflife.cli``), and to Markdown (``MarkdownPaper``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias
from unicodedata import combining

Cell: TypeAlias = "str | tuple[tuple[str, str], ...]"
"""Words, or words each in a style, such as "bold cyan"."""


class Step(NamedTuple):
    """A line of a derivation."""

    letter: str
    letters: str
    figures: str
    value: str
    remark: str


@dataclass(frozen=True)
class Plot:
    """A curve y against x. ``guide`` is another beneath it, such as y = x; both are drawn for |x| and |y| ≤ ``reach``.

    Neighbours that are further apart than a tenth of the height are a jump, over which nothing is drawn.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    guide: tuple[tuple[float, float], ...] = ()
    reach: float = 2.0


class Paper(Protocol):
    """The few things that the pages need."""

    def gap(self) -> None:
        """An empty line."""
        ...

    def title(self, name: str, subtitle: str, beneath: str) -> None:
        """The page's head."""
        ...

    def heading(self, words: str, aside: str = "") -> None:
        """A section's head."""
        ...

    def lines(self, lines: Iterable[str]) -> None:
        """Equations, a line each; what stands four blanks apart is a remark."""
        ...

    def prose(self, words: str, style: str = "") -> None:
        """A paragraph."""
        ...

    def bullets(self, lines: Iterable[str]) -> None:
        """A few remarks."""
        ...

    def pairs(self, rows: Iterable[Sequence[Cell]]) -> None:
        """A word and what there is to say of it."""
        ...

    def figures(self, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Columns of numbers; one without a heading holds words."""
        ...

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Columns of words; where there is little room the last cell of each row goes beneath the others."""
        ...

    def derivation(self, steps: Sequence[Step]) -> None:
        """``letter = letters = figures = value``, a line for each."""
        ...

    def plots(self, plots: Sequence[Plot]) -> None:
        """Small pictures, beside each other where there is room."""
        ...


def plain(cell: Cell) -> str:
    """A cell's words without their styles."""
    return cell if isinstance(cell, str) else "".join(text for text, _ in cell)


def columns(text: str) -> int:
    """How many columns a terminal shows it in: an accent is none."""
    return sum(not combining(letter) for letter in text)
