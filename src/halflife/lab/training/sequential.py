"""Replicas trained one after the other, each as people train a network: a loop, an optimizer, a learning rate.

The initialization, the order of the samples, the augmentation and the schedule are those of the stack, so the numbers
are too, up to the order of sums within an operation: equal to 1e-9 in float64 after a short training. What a model
draws (dropout) it draws from torch's generator, seeded with the replica's seed.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from .schedules import ScheduledLr
from .trainer import Progress, Trainer, measured, seeded
from .training import Outcome, Training, TrialBatch, joined


def train_sequentially(
    training: Training, replicas: TrialBatch, progress: Progress = lambda share: None, checkpoint: Path | None = None
) -> Outcome:
    """As ``train_vectorized``; the checkpoint is of the replica in training, so give it one replica at a time."""
    ones = [
        replace(replicas, lrs=(lr,), lams=(lam,), seeds=(seed,))
        for seed, (lr, lam) in product(replicas.seeds, zip(replicas.lrs, replicas.lams, strict=True))
    ]
    outcomes: list[Outcome] = []
    for one in ones:
        with torch.random.fork_rng(devices=training.forked):
            run = SequentialTrainer(training, one)
            outcomes.append(run.train(lambda share: progress((len(outcomes) + share) / len(ones)), checkpoint))
    cells = len(replicas.lrs)
    return joined([joined(outcomes[i : i + cells], dim=1) for i in range(0, len(outcomes), cells)], dim=0)


class SequentialTrainer(Trainer):
    """One replica between two epochs."""

    def __init__(self, training: Training, replicas: TrialBatch) -> None:
        super().__init__(training, replicas)
        (self.lr,), (lam,), (seed,) = replicas.lrs, replicas.lams, replicas.seeds
        self.model: nn.Module = seeded(training, seed)
        self.optimizer = replicas.spec.build(self.model, self.lr, lam)
        self.scheduled = ScheduledLr(self.optimizer, self.lr)
        self.t, self.finite = 0, True

    def steps(self) -> Iterator[Tensor]:
        self.model.train()
        for inputs, targets in self.batches.epoch():
            yield self._step(inputs[0], targets[0]).reshape(1)

    def _step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        problem, recipe = self.training.problem, self.training.recipe
        if not self.finite:
            return self._nan()
        self.scheduled.set(self.training.multiplier(self.t))
        self.optimizer.zero_grad()
        with torch.enable_grad():
            loss = problem.loss(self.training.outputs(self.model, inputs), targets) * recipe.loss_scale
            self.finite = bool(loss.isfinite())
            if self.finite:
                loss.backward()
                self.optimizer.step()
        self.t += 1
        return loss.detach() if self.finite else self._nan()

    def _nan(self) -> Tensor:
        return torch.full((), torch.nan, device=self.training.device)

    @torch.no_grad()
    def measure(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        model = self.model.eval()
        loss, error = measured(lambda x: self.training.outputs(model, x), self.training.problem, inputs, targets)
        return loss.reshape(1), error.reshape(1)

    def norm(self) -> Tensor:
        return parameters_to_vector(self.model.parameters()).detach().norm().reshape(1)

    def alive(self) -> Tensor:
        return torch.full((1,), self.finite, device=self.training.device)

    def state(self) -> dict[str, Any]:
        own = {"t": self.t, "finite": self.finite}
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), **own}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(dict(state["optimizer"]))
        self.t, self.finite = state["t"], state["finite"]
