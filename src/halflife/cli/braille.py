"""Plots in the terminal: 2 × 4 dots to a letter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..explain.paper import Plot

COLUMNS, ROWS = 23, 9
"""Letters of one plot, without the name above it; odd, so that 0 is in the middle of one."""
_GAP = "   "
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BLANK = 0x2800


def side_by_side(plots: Sequence[Plot], width: int) -> Iterator[str]:
    """The lines of all plots, as many beside each other as fit, an empty line beneath each row of them."""
    across = max(1, (width + len(_GAP)) // (COLUMNS + len(_GAP)))
    for first in range(0, len(plots), across):
        for line in zip(*map(drawn, plots[first : first + across]), strict=True):
            yield _GAP.join(line).rstrip()
        yield ""


def drawn(plot: Plot) -> list[str]:
    """The plot's lines, its name first, each of ``COLUMNS`` columns."""
    dots = {(x, y) for x, y in _dots(plot, plot.guide) if (x + y) % 4 == 0} | set(_dots(plot, plot.points))
    letters = [[_letter(dots, column, row) for column in range(COLUMNS)] for row in range(ROWS)]
    return [plot.name.center(COLUMNS), *map("".join, letters)]


def _dots(plot: Plot, points: Sequence[tuple[float, float]]) -> Iterator[tuple[int, int]]:
    """The dots of a curve, from the left and from above; a steep part is filled, a jump is not."""
    wide, high = 2 * COLUMNS, 4 * ROWS
    before: int | None = None
    for x, y in points:
        at = round((high - 1) * (1 - y / plot.reach) / 2)
        if abs(x) <= plot.reach and 0 <= at < high:
            column = round((wide - 1) * (1 + x / plot.reach) / 2)
            start = at if before is None or abs(at - before) > high // 10 else before
            for row in range(min(start, at), max(start, at) + 1):
                yield column, row
        before = at


def _letter(dots: set[tuple[int, int]], column: int, row: int) -> str:
    bits = sum(
        bit for y, pair in enumerate(_DOTS) for x, bit in enumerate(pair) if (2 * column + x, 4 * row + y) in dots
    )
    axis = "│" if column == COLUMNS // 2 else "─" if row == ROWS // 2 else " "
    cross = "┼" if column == COLUMNS // 2 and row == ROWS // 2 else axis
    return chr(_BLANK + bits) if bits else cross
