"""How far a study is, in a notebook's cell: one bar that moves. Scripts are told nothing unless they ask."""

from __future__ import annotations

import sys
import time
from html import escape
from typing import Any

from .progress import Listener, Progress
from .units import error_text

PAUSE = 0.2
"""Seconds at least between two moves of the bar."""


def usual_listener() -> Listener:
    """A bar where a Jupyter kernel runs this, else silence."""
    display = _display()
    return _silent if display is None else NotebookBar(display)


class NotebookBar:
    """One output, moved by ``display`` of IPython."""

    def __init__(self, display: Any) -> None:
        self.display, self.handle, self.moved = display, None, 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if self.handle is not None and now - self.moved < PAUSE and progress.done < progress.total:
            return
        self.moved = now
        words = bar_words(progress)
        bar = f"<progress max='{progress.total}' value='{progress.done:.2f}'></progress> {escape(words)}"
        data = {"text/plain": words, "text/html": bar}
        if self.handle is None:
            self.handle = self.display(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)


def bar_words(progress: Progress) -> str:
    """What stands beside the bar."""
    words = f"{progress.done:.0f}/{progress.total} runs · {progress.doing}"
    found = progress.best
    if found is None:
        return words
    best = f"least error {error_text(found.val_error.mean, found.unit)}: {found.spec.label}"
    return f"{words} · {best}, lr {found.best_lr:g}, λ {found.best_lam:g}"


def _silent(progress: Progress) -> None:
    """Tell nobody."""


def _display() -> Any:
    """IPython's, if a kernel's shell is what runs; importing it elsewhere would be in vain."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if not any(
        kind.__name__ == "ZMQInteractiveShell" for kind in type(shell).__mro__
    ):  # Colab and Spyder derive theirs
        return None
    return sys.modules["IPython.display"].display
