"""The residual network in its form for CIFAR."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import pad, relu

from ..errors import StudyError

Norm = Callable[[int], nn.Module]


def resnet(depth: int, *, width: int = 16, batch_norm: bool = True, channels: int = 3, classes: int = 10) -> nn.Module:
    """The residual network for images of 32×32: a 3×3 convolution, three stages of n = (depth − 2)/6 blocks of
    ``width``, 2·width and 4·width channels, the mean over the pixels, a linear layer.

    The second and the third stage halve height and width; where channels are added, the shortcut has zeros (option A,
    no parameters). ResNet-20 has 269,722 parameters for ten classes, 268,346 without BatchNorm.

    Source: He et al. 2016, *Deep residual learning*, §4.2 (depth 20, 32, 44, 56, 110; width 16); without BatchNorm as
    Zhuang et al. 2022 (github.com/zhenxun-zhuang/AdamW-Scale-free): nothing takes its place, convolutions have no bias
    either. Initialization as there: He's normal one (fan in) for all convolutions and the linear layer.
    Deviation: the added zero channels are the last ones (He), not half in front and half behind (Zhuang).

    Args:
        depth: 6n + 2.
        width: channels of the first stage.
        batch_norm: whether it has any.
        channels: of the images.
        classes: of the outputs.

    Returns:
        A network from ``[batch, channels, height, width]`` to ``[batch, classes]``.

    Raises:
        StudyError: for any other depth than 6n + 2.

    Example:
        >>> from halflife.lab.models import resnet
        >>> sum(p.numel() for p in resnet(20).parameters())
        269722
    """
    blocks, rest = divmod(depth - 2, 6)
    if blocks < 1 or rest:
        raise StudyError(f"a ResNet's depth is 6n + 2 (8, 14, 20, 26, 32, …), but {depth} was given.")
    return ResNet(blocks, width, nn.BatchNorm2d if batch_norm else nn.Identity, channels, classes)


class ResNet(nn.Module):
    """What ``resnet`` describes."""

    def __init__(self, blocks: int, width: int, norm: Norm, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(_convolution(channels, width), norm(width), nn.ReLU())
        self.stages = nn.Sequential(
            _stage(width, width, blocks, 1, norm),
            *(_stage(a, b, blocks, 2, norm) for a, b in pairwise((width, 2 * width, 4 * width))),
        )
        self.classify = nn.Linear(4 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def get_classifier(self) -> nn.Module:
        """The last layer, as timm's models say theirs."""
        return self.classify

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.stages(self.stem(images)).mean((2, 3)))


class GridSpec(nn.Module):
    """relu(x + norm(conv(relu(norm(conv(x)))))), x at every ``stride``-th pixel and with zero channels added."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.stride, self.added = stride, outputs - inputs
        self.branch = nn.Sequential(
            _convolution(inputs, outputs, stride),
            norm(outputs),
            nn.ReLU(),
            _convolution(outputs, outputs),
            norm(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))
        return relu(shortcut + self.branch(x))


def _stage(inputs: int, outputs: int, blocks: int, stride: int, norm: Norm) -> nn.Module:
    return nn.Sequential(
        GridSpec(inputs, outputs, stride, norm), *(GridSpec(outputs, outputs, 1, norm) for _ in range(blocks - 1))
    )


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
