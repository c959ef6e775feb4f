"""What an executor is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from ..optimizers import Contender
from ..problems import Problem
from ..schedules import SCHEDULES


@dataclass(frozen=True)
class Recipe:
    """How long and in what steps. ``schedule`` names η_t in ``lab.schedules``; the lr in force is lr·η_t.

    The loss is multiplied by ``loss_scale`` before its gradient is taken. ``curves`` asks for what is measured after
    every epoch.
    """

    epochs: int
    batch_size: int
    schedule: str = "cosine"
    loss_scale: float = 1.0
    curves: bool = False


@dataclass(frozen=True)
class Training:
    """What all replicas have in common: problem, architecture and recipe."""

    problem: Problem
    model: Callable[[], nn.Module]
    recipe: Recipe

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches only, so that every step has the same noise."""
        return len(self.problem.train) // self.recipe.batch_size

    @property
    def steps(self) -> int:
        return self.recipe.epochs * self.steps_per_epoch

    def multiplier(self, t: int) -> float:
        """η of step t, counted from 0."""
        return SCHEDULES[self.recipe.schedule](t / self.steps)


@dataclass(frozen=True)
class Replicas:
    """Trainings with one optimizer: every cell (lrs[i], lams[i]) under every seed."""

    contender: Contender
    lrs: tuple[float, ...]
    lams: tuple[float, ...]
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.lrs) * len(self.seeds)


class Score(NamedTuple):
    """Mean loss and mean error, each of shape ``[seed, cell]``."""

    loss: Tensor
    error: Tensor


class Curves(NamedTuple):
    """After every epoch, each of shape ``[seed, cell, epoch]``: the error on ``val``, the loss in training (mean over
    the epoch's batches), the norm of all weights.
    """

    val_error: Tensor
    train_loss: Tensor
    weight_norm: Tensor


class Outcome(NamedTuple):
    """What became of the replicas, each tensor of shape ``[seed, cell]``, on the CPU.

    ``diverged`` says whose loss or weights ceased to be finite; their scores are of the weights they were frozen at.
    """

    train: Score
    val: Score
    test: Score
    weight_norm: Tensor
    diverged: Tensor
    curves: Curves | None = None
