"""A page as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .paper import Cell, Paper, Plot, Step, columns, plain
from .svg import picture

_MARKS = re.compile(r"[\\*\[\]]|(?<![^\W_])_|_(?![^\W_])")  # an underscore within a word is none
_KEPT = re.compile(r"(`[^`]+`|https?://[^\s;,)]*[^\s;,.)])")


class MarkdownPaper(Paper):
    """Collects the page's parts; ``text`` joins them."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def text(self) -> str:
        """The page."""
        return "\n\n".join(self._parts) + "\n"

    def gap(self) -> None:
        """Nothing: Markdown parts stand apart by themselves."""

    def title(self, name: str, subtitle: str, beneath: str) -> None:
        """A heading of the first level."""
        self._parts += [f"# {_escaped(name)}: {_escaped(subtitle)}", _escaped(beneath)]

    def heading(self, words: str, aside: str = "") -> None:
        """A heading of the second level, what is aside as a paragraph beneath it."""
        self._parts += [f"## {_escaped(words)}", *([_escaped(aside)] if aside else [])]

    def lines(self, lines: Iterable[str]) -> None:
        """Equations in a block of code, their remarks beneath each other."""
        split = [(equation, remark.strip()) for equation, _, remark in (line.partition("    ") for line in lines)]
        width = max((columns(equation) for equation, remark in split if remark), default=0)
        self._code([f"{e}{' ' * (width - columns(e) + 4)}{remark}".rstrip() if remark else e for e, remark in split])

    def prose(self, words: str, style: str = "") -> None:
        """A paragraph."""
        self._parts.append(_escaped(words))

    def bullets(self, lines: Iterable[str]) -> None:
        """A list."""
        self._parts.append("\n".join(f"- {_escaped(line)}" for line in lines))

    def pairs(self, rows: Iterable[Sequence[Cell]]) -> None:
        """A table without headings."""
        listed = list(rows)
        if listed:
            self.table([""] * len(listed[0]), listed)

    def figures(self, headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """A table whose columns with headings are aligned at the right."""
        self._table(headings, ["---:" if heading else "---" for heading in headings], rows)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """A table."""
        self._table(headings, ["---"] * len(headings), rows)

    def derivation(self, steps: Sequence[Step]) -> None:
        """A block of code, each line under its letter."""
        width = max((columns(step.letter) for step in steps), default=0)
        lines = list[str]()
        for step in steps:
            said = "  ".join(part for part in step[1:4] if part)
            lines.append(step.letter + " " * (width - columns(step.letter) + 2) + said)
            lines += [" " * (width + 2) + step.remark] if step.remark else []
        self._code(lines)

    def plots(self, plots: Sequence[Plot]) -> None:
        """Pictures, as SVG within the page."""
        self._parts.append('<div class="plots">\n' + "\n".join(map(picture, plots)) + "\n</div>")

    def _table(self, headings: Sequence[str], rule: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        cells = [[_cell(heading) for heading in headings], rule, *([_cell(cell) for cell in row] for row in rows)]
        self._parts.append("\n".join(f"| {' | '.join(line)} |" for line in cells))

    def _code(self, lines: Sequence[str]) -> None:
        self._parts.append("\n".join(("```text", *lines, "```")))


def _cell(cell: Cell) -> str:
    return "<br>".join(_escaped(line) for line in plain(cell).split("\n")).replace("|", "&#124;")


def _escaped(words: str) -> str:
    """Words in which no letter is taken for a mark; code stays code, an address becomes a link."""
    parts = _KEPT.split(words)
    return "".join(_marked(part) if index % 2 else _plain(part) for index, part in enumerate(parts))


def _marked(part: str) -> str:
    return part if part.startswith("`") else f"<{part}>"


def _plain(part: str) -> str:
    return _MARKS.sub(r"\\\g<0>", part).replace("<", "&lt;").replace(">", "&gt;")
