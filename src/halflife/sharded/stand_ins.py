"""Parameters that lie on several processes, as DTensors: what is stepped are plain tensors over the shards here.

So every engine steps them, as it does any tensor, and no operation goes through a DTensor's dispatch. The states are
published in the optimizer as DTensors over the same memory.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import is_
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor

from ..regularizers import Regularizer
from ..rules import Rule
from .reduction import Reduction, copies_of, reduction_on, widest_mesh
from .region import ShardRegion, mark_region
from .regularizer import regularizer_on_shard
from .sharding import Sharding, is_dtensor, shard_of

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

Group = dict[str, Any]
ParameterState = dict[str, Any]


OVER = "halflife_sharding"
"""In a group of shards, how they are cut, for a rule that needs the whole."""


class View(Protocol):
    """What is asked of a parameter group's settings here."""

    @property
    def mode(self) -> str: ...
    @property
    def rule(self) -> Rule: ...
    @property
    def regularizer(self) -> Regularizer: ...
    @property
    def tensor_names(self) -> frozenset[str]: ...


def any_sharded(groups: Iterable[Group]) -> bool:
    """Whether any parameter of these groups is a DTensor."""
    module, kinds = sys.modules.get("torch.distributed.tensor"), set[type]()
    if module is None:
        return False
    for group in groups:
        kinds.update(map(type, group["params"]))
    return any(issubclass(kind, module.DTensor) for kind in kinds)


class Shard:
    """One parameter's stand-in: a plain Parameter over the shard that lies here, and its state.

    ``state`` is what the engines read and write. What everybody else sees in the optimizer is published: the same
    under the same names, but for the tensors of the parameter's shape, which are DTensors over the same memory.
    ``place`` is its group's among the groups.
    """

    def __init__(self, p: DTensor, place: int) -> None:
        self.source, self.place = shard_of(p), place
        self.tensor = torch.nn.Parameter(self.source.detach(), requires_grad=False)
        self.sharding = Sharding.of(p)
        mark_region(self.tensor, *shape_and_offset(p), p.shape)
        self.state = ParameterState()
        self.mine, self.published = list[Any](), list[Any]()
        self._regularizer: tuple[Any, Any] = (None, None)

    def lies_at(self, p: DTensor) -> bool:
        """Whether the parameter still lies where it did: one that is loaded or moved may get other memory."""
        return shard_of(p) is self.source and p.placements == self.sharding.placements

    def take(self, p: DTensor, published: Mapping[str, Any]) -> None:
        """The gradient as it is now, and the state too where somebody loaded or wrote another."""
        g = p.grad
        self.tensor.grad = None if g is None else local_part(g, p, "the gradient").to(self.source.device)
        if not _same(published.values(), self.published):
            self.state = local_state(p, published)
            self.mine, self.published = list(self.state.values()), list(published.values())

    def publish(self, p: DTensor, state: Any, view: View) -> None:
        """Let go of the gradient, and let the optimizer's state of p be this one."""
        self.tensor.grad = None
        if _same(self.state.values(), self.mine):
            return
        known = {id(mine): theirs for mine, theirs in zip(self.mine, self.published, strict=True)}
        published = published_state(p, self.state, view.tensor_names)
        published |= {name: known[id(x)] for name, x in self.state.items() if id(x) in known}
        self.mine, self.published = list(self.state.values()), list(published.values())
        if published:
            own = state.setdefault(p, {})
            own.clear()
            own.update(published)
        else:
            state.pop(p, None)

    def regularizer_of(self, whole: Regularizer | None) -> Regularizer | None:
        """The regularizer as it acts on this shard: with its part of what is given for each coordinate."""
        if whole is not None and self._regularizer[0] is not whole:
            self._regularizer = whole, regularizer_on_shard(whole, self.tensor, self.sharding)
        return None if whole is None else self._regularizer[1]


def _same(values: Collection[Any], kept: Collection[Any]) -> bool:
    """Whether these are the very same objects, as many, in the same order."""
    return len(values) == len(kept) and all(map(is_, values, kept))


class LocalGroup(NamedTuple):
    """What a group's tensors were replaced by: by each regularizer the ones that it acts on, and how they are cut where
    the rule asks for wholes."""

    params: list[Tensor]
    regularizer: Any
    mode: str
    parts: list[tuple[Any, Any, list[Tensor]]]

    def is_of(self, group: Group, view: View) -> bool:
        own = self.regularizer is group.get("regularizer") and self.mode == view.mode
        return own and _same(group["params"], self.params)


class Shards:
    """The stand-ins of some groups' parameters, kept from step to step, and what lies on which processes."""

    def __init__(self) -> None:
        self.places = list[int]()
        """For each of the local groups, which of the user's it is of."""
        self._shards, self._others = dict["DTensor", Shard](), list[Tensor]()
        self._sources = dict[Tensor, "DTensor"]()
        self._groups, self._views = list[LocalGroup](), list[View]()
        self._widest: Any = None
        self._copies = dict[Tensor, int]()

    def local(self, groups: list[Group], views: Sequence[View]) -> list[Group]:
        """The groups with stand-ins for the DTensors that allow one.

        A group is cut into several where its regularizer has a number for each coordinate.
        """
        self._views = list(views)
        as_before = len(groups) == len(self._groups) and all(map(LocalGroup.is_of, self._groups, groups, views))
        if not as_before or not all(shard.lies_at(p) for p, shard in self._shards.items()):
            self._replace(groups, views)
        return [
            {**group, "regularizer": R, "params": params} | ({} if sharding is None else {OVER: sharding})
            for group, own in zip(groups, self._groups, strict=True)
            for R, sharding, params in own.parts
        ]

    def _replace(self, groups: list[Group], views: Sequence[View]) -> None:
        before, self._shards, self._others, self._sources = self._shards, {}, [], {}
        self._widest = None
        self._groups = [self._local_group(k, group, views[k], before) for k, group in enumerate(groups)]
        self.places = [k for k, own in enumerate(self._groups) for _ in own.parts]

    def _local_group(self, place: int, group: Group, view: View, before: dict[DTensor, Shard]) -> LocalGroup:
        whole = group.get("regularizer")
        parts: dict[Any, tuple[Any, Any, list[Tensor]]] = {}
        for p in group["params"]:
            own, q, over, sharded = whole, p, None, is_dtensor(p)
            if sharded and steps_locally(view, p):
                shard = self._shards[p] = _shard(p, place, before.get(p))
                q, own = shard.tensor, shard.regularizer_of(whole)
                over = shard.sharding if gathers(view.rule) else None
            else:
                self._others.append(p)
            if sharded:
                self._sources[q] = p
            parts.setdefault((id(own), over), (own, over, []))[2].append(q)
        return LocalGroup(list(group["params"]), whole, view.mode, [*parts.values()] or [(whole, None, [])])

    def gradient(self, p: Tensor, g: Tensor) -> Tensor:
        """What lies here of the gradient of a tensor that is stepped."""
        return local_part(g, self._sources[p], "the gradient") if is_dtensor(g) else g

    def reduction(self, params: list[Tensor], process_group: Any) -> Reduction:
        """As ``reduction_of`` the parameters that these tensors stand for, looked up once."""
        if self._widest is None:
            self._widest = widest_mesh(self._sources.values(), process_group)
            self._copies = {q: copies_of(p, self._widest) for q, p in self._sources.items()}
        everywhere = int(self._widest.size())
        copies = [self._copies.get(p, everywhere) for p in params]
        return reduction_on(self._widest, copies, process_group, next(iter(self._sources.values())).device)

    def take(self, state: Mapping[Any, ParameterState]) -> dict[Tensor, ParameterState]:
        """The gradients as they are now, and the states by the tensors that are stepped."""
        local = {p: state[p] for p in self._others if p in state}
        for p, shard in self._shards.items():
            shard.take(p, state.get(p, {}))
            if shard.state:
                local[shard.tensor] = shard.state
        return local

    def publish(self, local: Mapping[Tensor, ParameterState], state: Any) -> None:
        """After a step: the states back to the optimizer, and the gradients let go."""
        for p in self._others:
            if p in local:
                state[p] = local[p]
            else:
                state.pop(p, None)
        for p, shard in self._shards.items():
            shard.state = local.get(shard.tensor, {})
            shard.publish(p, state, self._views[shard.place])
        torch.autograd.graph.increment_version([p for p in self._shards if p.grad is not None])


def _shard(p: DTensor, place: int, before: Shard | None) -> Shard:
    if before is not None and before.lies_at(p):
        before.place = place
        return before
    return Shard(p, place)


def steps_locally(view: View, p: DTensor) -> bool:
    """Whether the shard's step can be made on a plain tensor: a rule for each coordinate, and no graph through it."""
    whole = all(not placement.is_partial() for placement in p.placements)
    return whole and view.mode != "differentiable" and (view.rule.acts_on == "coordinates" or gathers(view.rule))


def gathers(rule: Rule) -> bool:
    """Whether all that a rule needs of whole matrices is its direction."""
    return rule.acts_on == "matrices" and type(rule).direction is not Rule.direction


def shape_and_offset(p: DTensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape of the shard here, and where it begins along each dimension of the whole."""
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset  # noqa: PLC0415

    return compute_local_shape_and_global_offset(p.shape, p.device_mesh, p.placements)


def local_part(x: Any, p: DTensor, what: str) -> Tensor:
    """The shard of a tensor that belongs to p's: from a DTensor, or from one that lies whole on every process."""
    if is_dtensor(x):
        x = cast("DTensor", x)
        return shard_of(x if x.placements == p.placements else x.redistribute(placements=p.placements))
    if not isinstance(x, Tensor) or x.shape != p.shape:
        raise TypeError(
            f"{what} of a DTensor of shape {tuple(p.shape)} must be one too, or a tensor of that shape, but is {x!r}."
        )
    shape, offset = shape_and_offset(p)
    return ShardRegion(shape, offset, tuple(p.shape)).cut(x)


def local_state(p: DTensor, published: Mapping[str, Any]) -> ParameterState:
    """A state with each tensor of the parameter's shape as the shard of it."""
    return {name: local_part(x, p, f"the state {name!r}") if is_dtensor(x) else x for name, x in published.items()}


def published_state(p: DTensor, state: ParameterState, names: Collection[str]) -> ParameterState:
    """A shard's state with what is under these names, shaped as the shard, as DTensors over the same memory."""
    sharding = Sharding.of(p)
    shaped = {name for name in names if isinstance(state.get(name), Tensor) and state[name].shape == shard_of(p).shape}
    return {name: sharding.spread(x) if name in shaped else x for name, x in state.items()}
