"""What every replica of a seed sees, in the same order however it is trained."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .training import Training

AUGMENTATION = 1 << 32
"""What is added to a seed for the augmentation's generator, so that its numbers are not those of the order."""


class Batches:
    """Each seed's order of the training samples, new in every epoch, and its augmentation.

    Two generators a seed, apart from torch's own: what a model draws, for dropout say, changes neither.
    """

    def __init__(self, training: Training, seeds: tuple[int, ...]) -> None:
        self.training = training
        self.orders = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.augmentations = [torch.Generator().manual_seed(seed + AUGMENTATION) for seed in seeds]

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets of each step, ``[seed, batch, …]``; samples beyond the last whole batch are left out."""
        data, recipe = self.training.splits.train, self.training.recipe
        order = torch.stack([torch.randperm(len(data), generator=g) for g in self.orders])
        for chosen in order.to(self.training.device).split(recipe.batch_size, dim=1)[: self.training.steps_per_epoch]:
            yield self._augmented(data.inputs[chosen]), data.targets[chosen]

    def _augmented(self, inputs: Tensor) -> Tensor:
        augment = self.training.problem.augment
        if augment is None:
            return inputs
        return torch.stack([augment(x, g) for x, g in zip(inputs, self.augmentations, strict=True)])

    def state(self) -> list[Tensor]:
        """Where the generators are, for a checkpoint made between two epochs."""
        return [g.get_state() for g in self.orders + self.augmentations]

    def restore(self, state: list[Tensor]) -> None:
        for generator, saved in zip(self.orders + self.augmentations, state, strict=True):
            generator.set_state(saved)
