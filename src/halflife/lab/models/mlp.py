"""The multilayer perceptron."""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def mlp(*sizes: int) -> nn.Module:
    """Linear layers of these sizes, inputs first and classes last, with a ReLU between; torch's initialization."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def flat_mlp(*sizes: int) -> nn.Module:
    """The same of inputs of any shape, such as images, whose numbers are put in a row first."""
    return nn.Sequential(nn.Flatten(), mlp(*sizes))
