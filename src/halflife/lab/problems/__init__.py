"""What is learned in a study: one problem, one file."""

from __future__ import annotations

from collections.abc import Callable

from .digits import digits
from .problem import Augment, Measure, Problem, Split, wrong

PROBLEMS: dict[str, Callable[[], Problem]] = {"digits": digits}

__all__ = ["PROBLEMS", "Augment", "Measure", "Problem", "Split", "digits", "wrong"]
