"""A shard of a tensor that lies on several processes: which coordinates of the whole it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ShardRegion:
    """A box cut out of a whole tensor: ``offset`` along each dimension, ``shape`` here, ``whole`` there.

    Coordinate i of the shard, flat and row-major, is in the whole's order the coordinate::

        first + i + Σ over gaps (run, gap) of ⌊i/run⌋·gap

    where after each ``run`` coordinates that lie together in the whole, ``gap`` of others follow there.
    """

    shape: tuple[int, ...]
    offset: tuple[int, ...]
    whole: tuple[int, ...]

    @property
    def first(self) -> int:
        """The flat index in the whole of the shard's first coordinate."""
        index = 0
        for o, size in zip(self.offset, self.whole, strict=True):
            index = index * size + o
        return index

    @property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """(run, gap), the shortest run first; none where the shard is one run of the whole."""
        found, run, stride = list[tuple[int, int]](), 1, 1
        for here, there in zip(self.shape[:0:-1], self.whole[:0:-1], strict=True):
            run *= here
            if here != there and run:
                found.append((run, (there - here) * stride))
            stride *= there
        return tuple(found)

    def indices(self, n: int, at: int = 0, device: torch.device | str = "cpu") -> Tensor:
        """The flat indices in the whole of n coordinates of the shard from ``at`` on, int64."""
        i = torch.arange(at, at + n, device=device)
        index = i + self.first
        for run, gap in self.gaps:
            index += i // run * gap
        return index

    def cut(self, x: Tensor) -> Tensor:
        """The shard's part of something that broadcasts to the whole, a view."""
        for dim in range(-x.dim(), 0):
            if x.shape[dim] == self.whole[dim]:  # else it broadcasts along it
                x = x.narrow(dim, self.offset[dim], self.shape[dim])
        return x


def region_of(p: Tensor) -> ShardRegion | None:
    """What ``p`` was said to be a shard of; None for a tensor that is a whole."""
    return getattr(p, "halflife_region", None)


def same_region(part: Tensor, p: Tensor) -> None:
    """Say that ``part``, some of the coordinates of p one after the other, belongs to the shard that p is."""
    if region_of(p) is not None:
        part.halflife_region = region_of(p)  # type: ignore[attr-defined]


def mark_region(p: Tensor, shape: Sequence[int], offset: Sequence[int], whole: Sequence[int]) -> None:
    """Say that ``p`` is that shard; nothing is said of a whole tensor."""
    if tuple(shape) != tuple(whole):
        p.halflife_region = ShardRegion(tuple(shape), tuple(offset), tuple(whole))  # type: ignore[attr-defined]
