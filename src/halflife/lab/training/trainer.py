"""A training in progress, stacked or single: what the two have in common."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from ..problems import Problem, Split
from .batches import Batches
from .checkpoints import CheckpointManager
from .training import Curves, Outcome, Score, Training, TrialBatch

Progress = Callable[[float], None]
"""Hears the share of the work that is done; if it raises, the training stops."""

Measure = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Mean loss and mean error of these inputs and targets, for every replica in training."""

SCORED_AT_ONCE = 4
"""Batches of samples: scoring keeps nothing for a backward pass, so it needs no more memory than training does."""


class Trainer(ABC):
    """The replicas of a training between two epochs. ``curves`` has a column of each kind for every epoch done."""

    def __init__(self, training: Training, replicas: TrialBatch) -> None:
        self.training, self.replicas = training, replicas
        self.batches = Batches(training, replicas.seeds)
        self.curves: list[tuple[Tensor, ...]] = []

    @abstractmethod
    def steps(self) -> Iterator[Tensor]:
        """Train one epoch; the loss of each step as it was learned from, ``[replica]``, NaN once it was not finite."""

    @abstractmethod
    def measure(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]: ...

    @abstractmethod
    def norm(self) -> Tensor:
        """The norm of all weights, for each replica."""

    @abstractmethod
    def alive(self) -> Tensor:
        """Which replicas' losses were finite at every step so far."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that a checkpoint must hold beside what this class keeps."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None: ...

    def train(self, progress: Progress, checkpoint: Path | None) -> Outcome:
        """All epochs, or those that the checkpoint lacks."""
        manager, epochs = CheckpointManager(checkpoint, self.training, self.replicas), self.training.recipe.epochs
        self._resume(manager.load())
        while len(self.curves) < epochs:
            loss = torch.stack(list(self.steps())).mean(0) / self.training.recipe.loss_scale
            self.curves.append(self._curve(loss) if self.training.recipe.curves else ())
            progress(len(self.curves) / epochs)
            manager.offer(self._state)
        return self._outcome()

    def _curve(self, loss: Tensor) -> tuple[Tensor, ...]:
        return self._score(self.training.splits.val).error.cpu(), loss.cpu(), self.norm().cpu()

    def _state(self) -> dict[str, Any]:
        random = [torch.get_rng_state(), *(torch.cuda.get_rng_state(d) for d in self.training.forked)]
        return {"batches": self.batches.state(), "curves": self.curves, "random": random, "own": self.state()}

    def _resume(self, saved: Mapping[str, Any] | None) -> None:
        if saved is not None:
            self.restore(saved["own"])
            self.batches.restore(saved["batches"])
            self.curves = list(saved["curves"])
            torch.set_rng_state(saved["random"][0])
            for device, state in zip(self.training.forked, saved["random"][1:], strict=True):
                torch.cuda.set_rng_state(state, device)

    def _score(self, split: Split) -> Score:
        return score(self.measure, split, SCORED_AT_ONCE * self.training.recipe.batch_size)

    def _outcome(self) -> Outcome:
        norm = self.norm()
        train, val, test = map(self._score, self.training.splits)
        diverged = ~(self.alive() & norm.isfinite() & val.loss.isfinite())
        curves = Curves(*(torch.stack(c, -1) for c in zip(*self.curves, strict=True))) if self.curves[0] else None
        return Outcome(train, val, test, norm, diverged, curves).shaped(self.replicas)


def score(measure: Measure, split: Split, at_once: int) -> Score:
    """The mean over all samples of a split, taken a part at a time."""
    parts = list(zip(split.inputs.split(at_once), split.targets.split(at_once), strict=True))
    measured = [(len(targets) / len(split), measure(inputs, targets)) for inputs, targets in parts]
    loss, error = (torch.stack([share * m[i] for share, m in measured]).sum(0) for i in range(2))
    return Score(loss, error)


_SEEDING = Lock()
"""torch has one default generator for all threads: one initialization at a time."""


def seeded(training: Training, seed: int) -> nn.Module:
    """The model as that seed begins it on any device, in the precision of the inputs; torch's generators stay where
    that left them.
    """
    torch.manual_seed(seed)
    model = training.model().to(training.device)
    inputs = training.problem.train.inputs
    model = model.to(inputs.dtype) if inputs.dtype.is_floating_point else model
    if any(
        isinstance(x, UninitializedParameter | UninitializedBuffer) for x in (*model.parameters(), *model.buffers())
    ):
        with torch.no_grad():  # lazy layers take their shapes from the first samples
            model.eval()(inputs[: training.recipe.batch_size].to(training.device))
    return model


def measured(
    model: Callable[[Tensor], Tensor], problem: Problem, inputs: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean loss and mean error of one model."""
    outputs = model(inputs)
    errors = problem.error(outputs, targets)  # one a sample; right or wrong, perhaps
    return problem.loss(outputs, targets), (errors if errors.is_floating_point() else errors.to(outputs.dtype)).mean()
