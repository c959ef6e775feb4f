"""The multilayer perceptron."""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def mlp(*sizes: int) -> nn.Module:
    """Linear layers of these sizes with a ReLU between; torch's initialization.

    Args:
        sizes: inputs first and classes last.

    Returns:
        The network.

    Example:
        >>> from halflife.lab.models import mlp
        >>> mlp(64, 32, 10)(torch.zeros(5, 64)).shape
        torch.Size([5, 10])
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def flat_mlp(*sizes: int) -> nn.Module:
    """A perceptron of inputs of any shape, such as images, whose numbers are put in a row first.

    Args:
        sizes: as for ``mlp``.

    Returns:
        The network.

    Example:
        >>> from halflife.lab.models import flat_mlp
        >>> flat_mlp(64, 32, 10)(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """
    return nn.Sequential(nn.Flatten(), mlp(*sizes))
