"""Changes to a batch of images that leave what they show as it is."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad as padded


def crop_and_flip(images: Tensor, generator: torch.Generator, pad: int = 4) -> Tensor:
    """Each image moved by up to ``pad`` pixels down and right, or up and left, and mirrored half of the time.

    What moves in from outside is 0, the mean where images are normalized.
    Source: He et al. 2016, *Deep residual learning*, §4.2: padded by 4, a crop of the former size, or its mirror image.

    Args:
        images: ``[batch, channels, height, width]``.
        generator: the same state of it gives the same images.
        pad: in pixels.

    Returns:
        Images of the same shape.

    Example:
        >>> from halflife.lab.problems import crop_and_flip
        >>> image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> crop_and_flip(image, torch.Generator().manual_seed(0), pad=0).sum()  # only mirrored, or not
        tensor(10.)
    """
    batch, _, height, width = images.shape
    down, right = _draw(2 * pad + 1, (2, batch), generator, images)
    mirrored = _draw(2, (batch, 1, 1, 1), generator, images).bool()
    windows = padded(images, (pad, pad, pad, pad)).unfold(2, height, 1).unfold(3, width, 1)
    crops = windows[torch.arange(batch, device=images.device), :, down, right]
    return torch.where(mirrored, crops.flip(3), crops)


def _draw(below: int, shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    """Drawn where the generator is, needed where the images are."""
    return torch.randint(below, shape, generator=generator, device=generator.device).to(like.device)
