"""Replicas trained as one stack: one recorded step for all of them, one call of the native engine for their updates."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...engines import grid
from .stack import Stack
from .trainer import Progress, Trainer
from .training import Outcome, Training, TrialBatch


def train_vectorized(
    training: Training, replicas: TrialBatch, progress: Progress = lambda share: None, checkpoint: Path | None = None
) -> Outcome:
    """Train every replica with lr_t = α·η_t, η_t of the recipe's schedule; after each epoch ``progress`` hears the
    share of the epochs that is done.

    The same arguments give the same bits, interrupted and resumed from ``checkpoint`` or not. A replica whose loss
    ceases to be finite is frozen where it is and flagged, and so is one that ends with weights or a validation loss
    that are not; the others do not notice. Where a model draws (dropout), each replica draws for itself, from torch's
    generator seeded with the stack's first seed: the same stack the same numbers, another stack others.
    """
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        run = VectorizedTrainer(training, replicas)
        torch.manual_seed(replicas.seeds[0])
        return run.train(progress, checkpoint)


class VectorizedTrainer(Trainer):
    """A stack between two epochs."""

    def __init__(self, training: Training, replicas: TrialBatch) -> None:
        super().__init__(training, replicas)
        assert training.recipe.precision == "fp32", "in bf16 each network is trained by itself"
        self.stack, n = Stack(training, replicas), len(replicas.seeds)
        lrs, lams, eta = replicas.lrs * n, replicas.lams * n, training.multiplier(0)
        update = replicas.spec.update
        assert replicas.spec.is_stackable, "this optimizer trains each network by itself"
        assert update is not None
        self.grid = grid(update, list(self.stack.weights.values()), lrs, lams, eta)

    def steps(self) -> Iterator[Tensor]:
        for inputs, targets in self.batches.epoch():
            losses, grads = self.stack.gradients(inputs, targets)
            self._notice(losses)
            self.grid.step(self.training.multiplier(self.grid.steps), grads)
            yield torch.where(self.grid.alive, losses, torch.nan)

    def _notice(self, losses: Tensor) -> None:
        finite = losses.isfinite()
        if not finite.all():
            alive = self.grid.alive & finite
            if not alive.equal(self.grid.alive):
                self.grid.keep(alive)

    def measure(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return self.stack.measure(inputs, targets)

    def norm(self) -> Tensor:
        fixed = [self.stack.buffers[name] for name in self.stack.fixed]
        all_weights = [*self.stack.weights.values(), *fixed]
        return torch.stack([w.flatten(1).square().sum(1) for w in all_weights]).sum(0).sqrt()

    def alive(self) -> Tensor:
        return self.grid.alive

    def _tensors(self) -> dict[str, Tensor]:
        return {**self.stack.weights, **self.stack.buffers}

    def state(self) -> dict[str, Any]:
        grid = {"steps": self.grid.steps, "states": self.grid.states, "alive": self.grid.alive}
        return {"tensors": self._tensors(), "grid": grid}

    def restore(self, state: Mapping[str, Any]) -> None:
        for name, x in self._tensors().items():
            x.copy_(state["tensors"][name])
        self.grid.restore(**state["grid"])
