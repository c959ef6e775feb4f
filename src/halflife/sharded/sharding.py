"""How a tensor is spread over processes, and the way from the shard here to the whole."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


@dataclass(frozen=True)
class Sharding:
    """``mesh`` are the processes, ``placements`` say for each of its dimensions how the tensor lies along it; shape
    and stride are the whole's."""

    mesh: Any
    placements: tuple[Any, ...]
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @classmethod
    def of(cls, p: DTensor) -> Sharding:
        return cls(p.device_mesh, p.placements, tuple(p.shape), p.stride())

    @property
    def sharded_dims(self) -> frozenset[int]:
        """The dimensions along which it is cut."""
        return frozenset(x.dim % len(self.shape) for x in self.placements if is_cut(x))

    @property
    def parts(self) -> int:
        """Into how many different shards it is cut."""
        return prod(self.mesh.size(dim) for dim, x in enumerate(self.placements) if is_cut(x))

    def spread(self, x: Tensor) -> DTensor:
        """The shard here as a DTensor over its memory."""
        from torch.distributed.tensor import DTensor  # noqa: PLC0415

        whole = cast("Any", self.shape)
        return DTensor.from_local(x, self.mesh, self.placements, shape=whole, stride=self.stride)

    def replicated(self, x: Tensor) -> DTensor:
        """What every process has whole, beside such DTensors."""
        from torch.distributed.tensor import DTensor, Replicate  # noqa: PLC0415

        return DTensor.from_local(x, self.mesh, [Replicate()] * self.mesh.ndim)

    def local(self, x: Any) -> Tensor:
        """The shard here of a DTensor, by whatever it takes to lay it out like this."""
        return shard_of(x if x.placements == self.placements else x.redistribute(placements=self.placements))


def laid_out_as(x: Any, p: Tensor) -> Any:
    """x over processes as p is, where that is so."""
    return x.redistribute(placements=p.placements) if is_dtensor(p) and x.placements != p.placements else x  # type: ignore[attr-defined]


def replicated(x: Any) -> Any:
    """A DTensor whole on every process, as what many coordinates share is kept; any other tensor as it is."""
    if not is_dtensor(x):
        return x
    from torch.distributed.tensor import Replicate  # noqa: PLC0415

    return x.redistribute(placements=[Replicate()] * x.device_mesh.ndim)


def is_dtensor(x: Any) -> bool:
    """Whether this is a DTensor: there is none before that module of torch is imported, which takes a while."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(x, module.DTensor)


def shard_of(x: DTensor) -> Tensor:
    """The very tensor that a DTensor is made of: ``to_local()`` makes another for each call."""
    return x._local_tensor  # pyright: ignore[reportPrivateUsage]


def here(x: Tensor) -> Tensor:
    """What lies here of a tensor: the shard of a DTensor, all of another."""
    return shard_of(cast("DTensor", x)) if is_dtensor(x) else x


def is_cut(placement: Any) -> bool:
    """Whether a tensor is cut along a dimension of its mesh: FSDP over tensor parallelism has a class of its own."""
    return not placement.is_replicate() and not placement.is_partial()
