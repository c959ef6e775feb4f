"""What an executor is given and what it gives back."""

# pyright: reportUnknownMemberType=false, reportUnknownLambdaType=false
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..config.optimizers import OptimizerSpec
from ..problems import Problem, Split
from .schedules import SCHEDULES


@dataclass(frozen=True, repr=False)
class Recipe:
    """How long and in what steps. ``schedule`` names η_t in ``lab.schedules``; the lr in force is lr·η_t.

    The loss is multiplied by ``loss_scale`` before its gradient is taken. ``curves`` asks for what is measured after
    every epoch. ``precision`` "bf16" lets torch's autocast do the forward pass in bfloat16, images with their channels
    last; weights, loss, optimizer and its states stay as they are.
    """

    epochs: int
    batch_size: int
    schedule: str = "cosine"
    loss_scale: float = 1.0
    curves: bool = False
    precision: str = "fp32"

    @property
    def key(self) -> dict[str, Any]:
        """What of it a network's result depends on, by name; as older ledgers have it where nothing new is asked."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("precision", "fp32")}

    def __repr__(self) -> str:
        """Checkpoints are known by it."""
        return f"Recipe({', '.join(f'{name}={value!r}' for name, value in self.key.items())})"


PRECISIONS = ("fp32", "bf16")


class Splits(NamedTuple):
    """A problem's data, where it is used."""

    train: Split
    val: Split
    test: Split


@dataclass(frozen=True)
class Training:
    """What all replicas have in common: problem, architecture and recipe, and the device that they are trained on."""

    problem: Problem
    model: Callable[[], nn.Module]
    recipe: Recipe
    device: str = "cpu"

    @cached_property
    def splits(self) -> Splits:
        """On the device; carried there once a process."""
        problem = self.problem
        return Splits(*(split.to(self.device) for split in (problem.train, problem.val, problem.test)))

    def outputs(self, model: nn.Module, inputs: Tensor) -> Tensor:
        """The model's, in this recipe's precision; in the inputs' own where that is bfloat16's result."""
        if self.recipe.precision == "fp32":
            return model(inputs)
        if inputs.dim() == 4:
            inputs = inputs.to(memory_format=torch.channels_last)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            outputs = model(inputs)
        return outputs.float() if outputs.dtype is torch.bfloat16 else outputs

    @property
    def forked(self) -> list[str]:
        """The devices whose generators a training moves beside the CPU's."""
        return [self.device] if self.device.startswith("cuda") else []

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
class TrialBatch:
    """Trainings with one optimizer: every cell (lrs[i], lams[i]) under every seed."""

    spec: OptimizerSpec
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

    def shaped(self, replicas: TrialBatch) -> Outcome:
        """Of replicas in one row, ``[replica, …]`` on any device, by seed and then by cell."""
        shape = (len(replicas.seeds), len(replicas.lrs))
        return _each([self], lambda parts: parts[0].unflatten(0, shape).cpu())


def joined(outcomes: Sequence[Outcome], dim: int) -> Outcome:
    """Of parts, the whole: along the seeds, ``dim`` 0, or the cells, ``dim`` 1."""
    return _each(outcomes, lambda parts: torch.cat(parts, dim))


def _each(trees: Sequence[Any], combine: Callable[[list[Tensor]], Tensor]) -> Any:
    """``combine`` of each tensor's counterparts, in nested tuples of one form."""
    first = trees[0]
    if first is None or isinstance(first, Tensor):
        return None if first is None else combine(list(trees))
    return type(first)(*(_each(parts, combine) for parts in zip(*trees, strict=True)))
