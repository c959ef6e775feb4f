"""How far a study is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .analysis import Findings
from .config.grids import GridSpec
from .training import TrialBatch


class Progress(NamedTuple):
    """How far a study is.

    Attributes:
        done, total: of all networks, those in training by their share.
        trained: of these now.
        doing: what is going on.
        best: the best cell of the optimizers that are finished.

    Example:
        >>> from halflife.lab import ExecutionConfig, Settings, run_study
        >>> heard = []
        >>> grid = Settings("ridge", optimizers="sgd", lrs=(0.01,), lams=(1.0,), seeds=1, epochs=1)
        >>> outcome = run_study(grid, "study", heard.append, ExecutionConfig("processes", workers=1))
        >>> print(heard[-1].done, "of", heard[-1].total)
        2.0 of 2
    """

    done: float
    total: int
    trained: float
    doing: str
    best: Findings | None


Listener = Callable[[Progress], None]


class ProgressTracker:
    """Turns what the executor says into ``Progress``."""

    def __init__(self, listener: Listener, title: str, grids: Sequence[GridSpec]) -> None:
        self.listener, self.title = listener, title
        self.grids = {grid.spec.name: grid for grid in grids}
        self.left = dict.fromkeys(self.grids, 0)
        self.total = sum(map(len, grids))
        self.trained, self.todo = 0.0, 0
        self.best: Findings | None = None

    def begin(self, todo: Sequence[TrialBatch]) -> None:
        """These are to be trained; the rest is done already."""
        self.todo = sum(map(len, todo))
        for batch in todo:
            self.left[batch.spec.name] += len(batch)
        self.hear(0.0)

    def hear(self, share: float) -> None:
        """The share of the training that is done."""
        self.trained = max(self.trained, share * self.todo)
        names = [self.grids[name].spec.label for name, left in self.left.items() if left]
        doing = f"{self.title}: {names[0]}" + (" …" if names[1:] else "") if names else self.title
        self.listener(Progress(self.total - self.todo + self.trained, self.total, self.trained, doing, self.best))

    def finish(self, batch: TrialBatch, found: Callable[[GridSpec], Findings]) -> None:
        """A batch's results are written; where it was the optimizer's last, they are looked at."""
        name = batch.spec.name
        self.left[name] -= len(batch)
        if not self.left[name]:
            found_now = found(self.grids[name])
            if np.isnan(found_now.val).all():  # each ended in an error
                return self.hear(self.share)
            if self.best is None or found_now.val_error.mean < self.best.val_error.mean:
                self.best = found_now
        return self.hear(self.share)

    @property
    def share(self) -> float:
        """Of what was to be trained, how much is finished."""
        return (self.todo - sum(self.left.values())) / max(self.todo, 1)
