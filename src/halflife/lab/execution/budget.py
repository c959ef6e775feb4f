"""A bound on the time of a study: what is finished within it is whole grids, seed by seed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from ..training import TrialBatch


class BudgetSpent(BaseException):
    """The time is up in the midst of a seed; what was finished of it is kept."""


class Budget:
    """``seconds`` from now on; None for as long as it takes."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds, self.start = seconds, time.monotonic()
        self.left: tuple[int, ...] = ()
        self.parts_done = 0

    @property
    def spent(self) -> float:
        return time.monotonic() - self.start

    def parts(self, todo: Sequence[TrialBatch]) -> Iterator[list[TrialBatch]]:
        """All at once without a bound; else the batches of one seed after the other, while another one may fit."""
        if self.seconds is None:
            yield list(todo)
            return
        seeds, longest = sorted({batch.seeds[0] for batch in todo}), 0.0
        for place, seed in enumerate(seeds):
            if self.spent + longest > self.seconds:
                self.left = tuple(seeds[place:])
                return
            begun = self.spent
            yield [batch for batch in todo if batch.seeds[0] == seed]
            longest, self.parts_done = max(longest, self.spent - begun), self.parts_done + 1
            if self.spent > self.seconds:
                self.left = tuple(seeds[place + 1 :])
                return

    def check(self) -> None:
        """Raises ``BudgetSpent`` where the time is up, but for the first seed: without it there is nothing."""
        if self.seconds is not None and self.parts_done and self.spent > self.seconds:
            raise BudgetSpent

    def note(self, todo: Sequence[TrialBatch]) -> str:
        """What was not trained, in words; empty where all was."""
        if self.seconds is None or (not self.left and self.spent <= self.seconds):
            return ""
        missing = f"{len(self.left)} of {len({batch.seeds[0] for batch in todo})} seeds were not begun"
        what = missing if self.left else "the last seed is not whole"
        return f"The budget of {self.seconds / 60:.3g} minutes is spent: {what}. The same command goes on."
