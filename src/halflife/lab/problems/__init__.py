"""What is learned in a study: one problem, one file."""

from __future__ import annotations

from collections.abc import Callable

from .digits import digits
from .problem import Problem, Split

PROBLEMS: dict[str, Callable[[], Problem]] = {"digits": digits}

__all__ = ["PROBLEMS", "Problem", "Split", "digits"]
