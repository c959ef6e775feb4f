"""A regularizer as it acts on a shard of the tensor that it was given for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from itertools import chain
from operator import is_
from typing import Any, cast

from torch import Tensor

from ..arithmetic import Scalar
from ..regularizers import Regularizer
from .region import ShardRegion, region_of
from .sharding import Sharding


def regularizer_on_shard(R: Regularizer, shard: Tensor, sharding: Sharding) -> Regularizer:
    """R on this shard: a part of it where it is a sum over coordinates or over blocks that lie here whole."""
    if R.coupled_dims(sharding.spread(shard.detach())) & sharding.sharded_dims:
        return OverShards(R, sharding)
    region = region_of(shard)
    return R if region is None else _cut(R, region)


CAN = ("has_grad", "has_prox", "has_metric_prox", "convex", "constraint")


@dataclass(frozen=True)
class OverShards(Regularizer):
    """R of a whole tensor, for one process's shard of it: all of them compute it together."""

    R: Regularizer
    sharding: Sharding

    separable = False

    def __post_init__(self) -> None:
        for name in (*CAN, "anchored", "anchor_shape"):
            object.__setattr__(self, name, getattr(self.R, name))

    def anchor_of(self, w: Tensor) -> Tensor:
        if self.R.anchor_shape == "parameter":
            return w.clone()
        return cast("Any", self.R.anchor_of(self.sharding.spread(w))).full_tensor()

    def at(self, anchor: Tensor) -> Regularizer:
        spread = self.sharding.spread if self.R.anchor_shape == "parameter" else self.sharding.replicated
        return OverShards(self.R.at(spread(anchor)), self.sharding)

    def value(self, w: Tensor) -> Tensor:
        return cast("Any", self.R.value(self.sharding.spread(w))).full_tensor()

    def grad(self, w: Tensor) -> Tensor:
        return self.sharding.local(self.R.grad(self.sharding.spread(w)))

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        spread: Callable[[Any], Any] = self.sharding.spread
        τ = spread(tau) if isinstance(tau, Tensor) and tau.dim() else tau
        return self.sharding.local(self.R.prox(spread(y), τ))


def _cut(R: Any, region: ShardRegion) -> Any:
    """R with its own part of every tensor that it has for each coordinate; R itself if it has none."""
    if isinstance(R, Tensor):
        return region.cut(R) if R.dim() else R
    if isinstance(R, tuple):
        parts = cast("tuple[Any, ...]", R)
        return tuple(_cut(part, region) for part in parts)
    if not isinstance(R, Regularizer) or not is_dataclass(R):
        return R
    settings = {field.name: getattr(R, field.name) for field in fields(R)}
    new = {name: _cut(x, region) for name, x in settings.items()}
    if all(map(_same, settings.values(), new.values())):
        return R
    changed = object.__new__(type(R))
    for name, x in chain(vars(R).items(), new.items()):
        object.__setattr__(changed, name, x)
    return changed


def _same(before: Any, after: Any) -> bool:
    """Whether nothing was cut: of several parts, none of them."""
    return before is after or (isinstance(before, tuple) and all(map(is_, cast("tuple[Any, ...]", before), after)))
