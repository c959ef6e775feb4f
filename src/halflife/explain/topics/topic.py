"""What a topic is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..paper import Paper


@dataclass(frozen=True)
class Topic:
    """One idea, explained beside numbers that are computed when the page is written.

    ``sections`` write one after the other on the same paper.
    """

    name: str
    title: str
    when: str
    sections: tuple[Callable[[Paper], None], ...]

    def show(self, paper: Paper) -> None:
        """Write the page."""
        paper.title(self.name, self.title, "Every number below was computed for this page, in float64.")
        for section in self.sections:
            section(paper)
