"""Crops and flips, one pixel after the other."""

import math

import pytest
import torch

from halflife.lab.problems import crop_and_flip


def brute(image, down, right, mirrored, pad):
    """One image, one pixel after the other."""
    _, height, width = image.shape
    out = torch.zeros_like(image)
    for row in range(height):
        for column in range(width):
            r = row + down - pad
            c = (width - 1 - column if mirrored else column) + right - pad
            if 0 <= r < height and 0 <= c < width:
                out[:, row, column] = image[:, r, c]
    return out


@pytest.mark.parametrize(("height", "width", "pad"), [(6, 5, 2), (4, 4, 0), (3, 3, 4)])
def test_crops_and_flips_are_those_drawn(height, width, pad):
    images = torch.randn(9, 2, height, width)
    down, right = torch.randint(2 * pad + 1, (2, 9), generator=(g := torch.Generator().manual_seed(3)))
    mirrored = torch.randint(2, (9, 1, 1, 1), generator=g).flatten()
    found = crop_and_flip(images, torch.Generator().manual_seed(3), pad)
    for i in range(9):
        assert torch.equal(found[i], brute(images[i], int(down[i]), int(right[i]), bool(mirrored[i]), pad))
    assert {0, 1} == set(mirrored.tolist())


def test_the_same_state_gives_the_same_images_and_the_next_one_others():
    images, generator = torch.randn(16, 3, 8, 8), torch.Generator().manual_seed(0)
    before = images.clone()
    first, second = crop_and_flip(images, generator), crop_and_flip(images, generator)
    assert torch.equal(first, crop_and_flip(images, torch.Generator().manual_seed(0)))
    assert not torch.equal(first, second)
    assert torch.equal(images, before)


def test_all_shifts_and_flips_are_equally_likely():
    n, pad = 40000, 1
    images = torch.arange(1.0, 10).reshape(1, 1, 3, 3).expand(n, -1, -1, -1)
    found = crop_and_flip(images, torch.Generator().manual_seed(0), pad)
    kinds, counts = found.flatten(1).unique(dim=0, return_counts=True)
    assert len(kinds) == 18, "3 × 3 shifts, each mirrored or not"
    assert (counts - n / 18).abs().max() < 5 * math.sqrt(n / 18)
    assert found.mean().item() == pytest.approx(
        sum(brute(images[0], d, r, m, 1).mean().item() for d in range(3) for r in range(3) for m in (0, 1)) / 18,
        rel=0.02,
    )
