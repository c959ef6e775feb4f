"""A small training for the executors' tests, in a module that worker processes can import."""

from itertools import product

import torch
from torch import nn

from halflife.lab.config.optimizers import OPTIMIZER_SPECS
from halflife.lab.problems import Problem, Split
from halflife.lab.training import Recipe, Training, TrialBatch

CELLS = tuple(product((1e-3, 3e-2), (0.01, 0.3)))


def net():
    return nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Dropout(0.2), nn.Linear(7, 3))


def jitter(inputs, generator):
    return inputs + 0.1 * torch.randn(inputs.shape, generator=generator)


def training(model=net, epochs=4):
    g = torch.Generator().manual_seed(7)
    parts = [torch.randn(n, 5, generator=g) for n in (36, 30, 30)]
    splits = [Split(x, x[:, :3].argmax(1)) for x in parts]
    problem = Problem("toy", "a toy", *splits, model=model, augment=jitter)
    return Training(problem, model, Recipe(epochs, 8, curves=True))


def replicas(name="adamw-paper", cells=CELLS, seeds=(0, 1, 2)):
    lrs, lams = zip(*cells, strict=True)
    return TrialBatch(OPTIMIZER_SPECS[name], lrs, lams, seeds)


def flat(outcome):
    """All tensors of an outcome."""
    if isinstance(outcome, tuple):
        return [x for part in outcome for x in flat(part)]
    return [] if outcome is None else [outcome]


def equal(one, other):
    return all(
        torch.equal(mine.nan_to_num(-1), theirs.nan_to_num(-1))
        for mine, theirs in zip(flat(one), flat(other), strict=True)
    )
