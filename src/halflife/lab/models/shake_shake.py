"""The residual network with two branches a block that are mixed at random: Shake-Shake."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from itertools import pairwise
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from ..errors import StudyError


def shake_shake(width: int = 64, *, depth: int = 26, channels: int = 3, classes: int = 10) -> nn.Module:
    """Shake-Shake ``depth`` 2×``width``d: 16 channels from the first convolution, then three stages of
    n = (depth − 2)/6 blocks of ``width``, 2·width and 4·width channels, each with two branches.

    In training a block's branches a and b are mixed as αa + (1 − α)b, and their gradients as with another number β in
    α's place; both are uniform in [0, 1], drawn for each block, image and pass ("Shake-Shake-Image") from torch's
    default generator: under ``vmap`` say ``randomness="different"``. In evaluation α = ½.

    Source: Gastaldi 2017, *Shake-Shake regularization*, and his github.com/xgastaldi/shake-shake: no ReLU after
    the first convolution, one before each of a block's; convolutions begin normal with variance 2/(k²·outputs),
    the linear layer as torch's, its bias 0. 26 2x64d is the network of Loshchilov & Hutter (2019).

    Args:
        width: channels of a branch in the first stage.
        depth: 6n + 2.
        channels: of the images.
        classes: of the outputs.

    Returns:
        A network from ``[batch, channels, height, width]`` to ``[batch, classes]``.

    Raises:
        StudyError: for any other depth than 6n + 2.

    Example:
        >>> from halflife.lab.models import shake_shake
        >>> shake_shake(4, depth=8)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """
    blocks, rest = divmod(depth - 2, 6)
    if blocks < 1 or rest:
        raise StudyError(f"a Shake-Shake network's depth is 6n + 2 (8, 14, 20, 26, …), but {depth} was given.")
    return ShakeShake(blocks, width, channels, classes)


class ShakeShake(nn.Module):
    """What ``shake_shake`` describes."""

    STEM = 16

    def __init__(self, blocks: int, width: int, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(_convolution(channels, self.STEM, 3), nn.BatchNorm2d(self.STEM))
        sizes = (self.STEM, width, 2 * width, 4 * width)
        self.stages = nn.Sequential(
            *(_stage(a, b, blocks, stride) for (a, b), stride in zip(pairwise(sizes), (1, 2, 2), strict=True))
        )
        self.classify = nn.Linear(4 * width, classes)
        nn.init.zeros_(self.classify.bias)

    def get_classifier(self) -> nn.Module:
        """The last layer, as timm's models say theirs."""
        return self.classify

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(relu(self.stages(self.stem(images))).mean((2, 3)))


class GridSpec(nn.Module):
    """x + mix(branch₁(x), branch₂(x)), x brought to the branches' shape by a ``Shortcut`` where it is another."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(_branch(inputs, outputs, stride) for _ in range(2))
        self.shortcut = nn.Identity() if inputs == outputs else Shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        a, b = (branch(x) for branch in self.branches)
        return self.shortcut(x) + (_shaken(a, b) if self.training else (a + b) / 2)


class Shortcut(nn.Module):
    """ReLU, then half of the channels of every ``stride``-th pixel, half of those up and left of them, a norm."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.straight, self.shifted = (_convolution(inputs, outputs // 2, 1) for _ in range(2))
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(x)
        seen = (x, pad(x, (1, -1, 1, -1)))
        straight, shifted = (y[:, :, :: self.stride, :: self.stride] for y in seen)
        return self.norm(torch.cat((self.straight(straight), self.shifted(shifted)), dim=1))


class Mix(torch.autograd.Function):
    """αa + (1 − α)b, whose gradients are those of βa + (1 − β)b."""

    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        return alpha * a + (1 - alpha) * b

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[3])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (beta,), (g,) = ctx.saved_tensors, grad_outputs
        return beta * g, (1 - beta) * g, None, None


def _shaken(a: Tensor, b: Tensor) -> Tensor:
    alpha, beta = torch.rand((2, len(a), 1, 1, 1), dtype=a.dtype, device=a.device)
    return Mix.apply(a, b, alpha, beta)


def _branch(inputs: int, outputs: int, stride: int) -> nn.Module:
    layers: list[nn.Module] = []
    for a, b, step in ((inputs, outputs, stride), (outputs, outputs, 1)):
        layers += [nn.ReLU(), _convolution(a, b, 3, step), nn.BatchNorm2d(b)]
    return nn.Sequential(*layers)


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Module:
    return nn.Sequential(GridSpec(inputs, outputs, stride), *(GridSpec(outputs, outputs, 1) for _ in range(blocks - 1)))


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Module:
    layer = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    nn.init.normal_(layer.weight, std=sqrt(2 / (size * size * outputs)))
    return layer
