"""A plot as SVG, to stand within a page: its colours are the page's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TypeAlias

from .paper import Plot

SIZE = 160
"""Width and height of the drawing, without the name above it."""
_NAME = 20
_JUMP, _FLAT = 0.1, 1e-6
_Move: TypeAlias = tuple[str, float, float]


def picture(plot: Plot) -> str:
    """The plot on one line; its title says what is drawn to who cannot see it."""
    (x0, y0), (x1, y1) = plot.points[0], plot.points[-1]
    said = escape(f"{plot.name}: a curve from ({x0:.3g}, {y0:.3g}) to ({x1:.3g}, {y1:.3g})")
    middle, end = SIZE / 2, SIZE + _NAME
    axes = f"M0 {middle + _NAME:g}H{SIZE}M{middle:g} {_NAME}V{end}"
    return (
        f'<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {end}" width="{SIZE}" height="{end}" '
        f'fill="none" stroke="currentColor"><title>{said}</title>'
        f'<text x="{middle:g}" y="13" text-anchor="middle" font-size="12" fill="currentColor" stroke="none">'
        f"{escape(plot.name)}</text>"
        f'<path d="{axes}" stroke-width="0.5" opacity="0.6"/>'
        f'<path d="{_path(plot, plot.guide)}" stroke-dasharray="2 4" opacity="0.6"/>'
        f'<path d="{_path(plot, plot.points)}" stroke-width="2"/></svg>'
    )


def _path(plot: Plot, points: Sequence[tuple[float, float]]) -> str:
    return "".join(f"{letter}{x:.1f} {y:.1f}" for letter, x, y in _bends(list(_moves(plot, points))))


def _bends(moves: list[_Move]) -> Iterator[_Move]:
    """Without the points that lie on the line between their neighbours."""
    for before, move, after in zip([None, *moves], moves, [*moves[1:], None], strict=False):
        straight = before is not None and after is not None and move[0] == after[0] == "L"
        if not straight or before is None or after is None or abs(_bend(before, move, after)) > _FLAT:
            yield move


def _bend(a: _Move, b: _Move, c: _Move) -> float:
    return (b[2] - a[2]) * (c[1] - b[1]) - (c[2] - b[2]) * (b[1] - a[1])


def _moves(plot: Plot, points: Sequence[tuple[float, float]]) -> Iterator[_Move]:
    """Points of the drawing, each by a line from the one before it unless there is a jump."""
    before: float | None = None
    for x, y in points:
        if abs(x) > plot.reach or abs(y) > plot.reach:
            before = None
            continue
        at = SIZE * (1 - y / plot.reach) / 2 + _NAME
        line = before is not None and abs(at - before) <= _JUMP * SIZE
        yield "L" if line else "M", SIZE * (1 + x / plot.reach) / 2, at
        before = at
