"""Expressions are bracketed as they were computed, in letters and in figures."""

from __future__ import annotations

import pytest
import torch

from halflife.explain.expressions import Writer
from halflife.explain.notes import Notes


@pytest.mark.parametrize(
    ("f", "letters", "figures"),
    [
        (lambda a, b, c: a - (b - c), "a − (b − c)", "2 − (−3 − 0.5)"),
        (lambda a, b, c: a - b + c, "a − b + c", "2 − (−3) + 0.5"),
        (lambda a, b, c: a * (b + c), "a·(b + c)", "2·(−3 + 0.5)"),
        (lambda a, b, c: a / (b * c), "a/(b·c)", "2/((−3)·0.5)"),
        (lambda a, b, c: a * b / c, "a·b/c", "2·(−3)/0.5"),
        (lambda a, b, c: 1 - a * a, "1 − a²", "1 − 2²"),
        (lambda a, b, c: b**2, "b²", "(−3)²"),
        (lambda a, b, c: (a + c) ** 0.5, "√(a + c)", "√(2 + 0.5)"),
        (lambda a, b, c: a ** (c * a), "a^(c·a)", "2^(0.5·2)"),
        (lambda a, b, c: a.maximum(b.abs()), "max(a, |b|)", "max(2, |−3|)"),
        (lambda a, b, c: torch.clamp(a, b, c).sign(), "sign(clip(a, b, c))", "sign(clip(2, −3, 0.5))"),
        (lambda a, b, c: a.add(b, alpha=-0.1), "a − 0.1·b", "2 − 0.1·(−3)"),
        (lambda a, b, c: a.add(c, alpha=-1.0), "a − c", "2 − 0.5"),
        (lambda a, b, c: a.where(b > c, c) * 2, "2·c", "2·0.5"),
    ],
)
def test_brackets_stand_where_they_must(f, letters, figures):
    notes = Notes()
    a, b, c = (notes.input(name, x) for name, x in (("a", 2.0), ("b", -3.0), ("c", 0.5)))
    writer = Writer(notes.recording, {x.operand: name for x, name in ((a, "a"), (b, "b"), (c, "c"))})
    result = f(a, b, c).operand
    assert (writer.letters(result), writer.figures(result)) == (letters, figures)
