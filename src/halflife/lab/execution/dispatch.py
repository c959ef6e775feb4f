"""Jobs and batches on this machine: shared out to worker processes, or done here."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ...optim.groups import on_purpose
from ..errors import StudyError
from ..training.checkpoints import fingerprint
from ..training.sequential import train_sequentially
from ..training.trainer import Progress
from ..training.training import Outcome, Training, TrialBatch, joined
from ..training.vectorized import train_vectorized
from .batching import cut
from .in_process import run_in_process
from .process_pool import Finished, run_in_pool
from .worker import Job

TrainingMode = Literal["stacked", "singly"]
MODES = {"stacked": train_vectorized, "singly": train_sequentially}

Shares = Callable[[Sequence[float]], None]
"""Hears, several times a second and in the caller's thread, how much of each item is done; may raise to stop all."""

ShareOut = Callable[[Job, Sequence[Any], Shares], Iterator[Finished]]
"""Does the job for each item; index, result and seconds of each as they are finished, begun in the order given."""


def shared_out(job: Job, items: Sequence[Any], progress: Shares, workers: int = 1) -> Iterator[Finished]:
    """A ``ShareOut``: in as many worker processes; up to one, in this process."""
    return run_in_pool(job, items, progress, workers) if workers > 1 else run_in_process(job, items, progress)


def run_jobs(
    job: Job,
    items: Sequence[Any],
    share_out: ShareOut = shared_out,
    progress: Progress = lambda share: None,
    sizes: Sequence[int] | None = None,
) -> Iterator[Finished]:
    """``share_out``, the largest items first, so that no worker is left alone with one at the end.

    ``progress`` hears the share of all work that is done, each item weighing its size.
    """
    weights = [1] * len(items) if sizes is None else list(sizes)
    order = sorted(range(len(items)), key=lambda i: -weights[i])

    def report(shares: Sequence[float]) -> None:
        progress(sum(share * weights[i] for share, i in zip(shares, order, strict=True)) / sum(weights))

    for index, result, seconds in share_out(job, [items[i] for i in order], report):
        yield order[index], result, seconds


class CellFailed(NamedTuple):
    """A training that ended in an error: what it said, and where."""

    error: str
    trace: str


class WorkItem(NamedTuple):
    """What a worker is given: replicas, how to train them, and the file where it keeps them between two epochs."""

    replicas: TrialBatch
    way: TrainingMode
    checkpoint: Path | None


@dataclass(frozen=True)
class Train:
    """The job of a worker that trains."""

    training: Training

    def __call__(self, item: WorkItem, progress: Progress) -> Outcome | CellFailed:
        try:
            with on_purpose():
                return MODES[item.way](self.training, item.replicas, progress, item.checkpoint)
        except StudyError:
            raise
        except Exception as error:  # whatever a user's model or loss makes of some cell
            return CellFailed(f"{type(error).__name__}: {error}", traceback.format_exc())


def execute(
    training: Training,
    batches: Sequence[TrialBatch],
    way: TrainingMode | Sequence[TrainingMode] = "stacked",
    share_out: ShareOut = shared_out,
    progress: Progress = lambda share: None,
    checkpoints: Path | None = None,
) -> Iterator[tuple[int, Any, float]]:
    """The index of a batch, its outcome and the seconds it took, in the order in which they are finished; a
    ``CellFailed`` for one that raised. ``way`` is the same for all batches, or one for each.

    ``progress`` hears the share of all replicas' training that is done; what it raises stops the training. In the
    folder ``checkpoints`` each batch in training has a file, from which the same call goes on after an interruption;
    it is removed when the caller comes back for the next batch, so write the outcome down first.
    Raises ``StudyError`` if a worker died twice on the same batch.
    """
    ways: Sequence[TrainingMode] = [way for _ in batches] if isinstance(way, str) else way
    items = [
        WorkItem(batch, mode, _file(checkpoints, training, batch, mode))
        for batch, mode in zip(batches, ways, strict=True)
    ]
    for finished in run_jobs(Train(training), items, share_out, progress, list(map(len, batches))):
        yield finished
        file = items[finished[0]].checkpoint
        if file is not None:
            file.unlink(missing_ok=True)


def _file(folder: Path | None, training: Training, batch: TrialBatch, way: TrainingMode) -> Path | None:
    return None if folder is None else folder / f"{fingerprint(training, batch)[:24]}-{way}.pt"


def train(training: Training, replicas: TrialBatch, progress: Progress = lambda share: None) -> Outcome:
    """Every replica, in stacks on all cores; the outcome is in the order of ``replicas``."""
    workers = os.cpu_count() or 1
    rows = cut(replicas, len(replicas), workers)
    batches = [batch for row in rows for batch in row]
    finished = execute(training, batches, "stacked", partial(shared_out, workers=workers), progress)
    outcomes = dict[int, Outcome]()
    for index, outcome, _ in finished:
        if isinstance(outcome, CellFailed):
            raise StudyError(f"a training failed: {outcome.error}\n{outcome.trace}")
        outcomes[index] = outcome
    ordered = iter(outcomes[index] for index in range(len(batches)))
    return joined([joined([next(ordered) for _ in row], dim=1) for row in rows], dim=0)
