"""What an executor is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from ...step import Update
from ..problems import Problem


@dataclass(frozen=True)
class Training:
    """What all replicas have in common: problem, architecture and recipe."""

    problem: Problem
    model: Callable[[], nn.Module]
    epochs: int
    batch_size: int

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches only, so that every step has the same noise."""
        return len(self.problem.train) // self.batch_size

    @property
    def steps(self) -> int:
        return self.epochs * self.steps_per_epoch


@dataclass(frozen=True)
class Replicas:
    """The trainings to be done with one update: every cell (lrs[i], lams[i]) under every seed."""

    update: Update
    lrs: tuple[float, ...]
    lams: tuple[float, ...]
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.lrs) * len(self.seeds)


class Score(NamedTuple):
    """Mean cross-entropy and share of right answers, each of shape ``[seed, cell]``."""

    loss: Tensor
    accuracy: Tensor


class Outcome(NamedTuple):
    """What became of the replicas, each tensor of shape ``[seed, cell]``, on the CPU.

    ``diverged`` says whose loss or weights ceased to be finite; their scores are of the weights they were frozen at.
    """

    train: Score
    val: Score
    test: Score
    weight_norm: Tensor
    diverged: Tensor
