"""Parameters that lie on several processes, as DTensors: what is stepped are plain tensors over the shards here.

So every engine steps them, as it does any tensor, and no operation goes through a DTensor's dispatch. The states are
published in the optimizer as DTensors over the same memory.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from operator import is_
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor

from ..regularizers import Regularizer
from ..rules import Rule
from .layout import Layout
from .piece import Piece, mark
from .reduction import Reduction
from .regularizer import regularizer_on_shard

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

Group = dict[str, Any]
ParameterState = dict[str, Any]


class View(Protocol):
    """What is asked of a parameter group's settings here."""

    @property
    def mode(self) -> str: ...
    @property
    def rule(self) -> Rule: ...
    @property
    def regularizer(self) -> Regularizer: ...


def is_dtensor(x: Any) -> bool:
    """Whether this is a DTensor: there is none before that module of torch is imported, which takes a while."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(x, module.DTensor)


def any_sharded(groups: Iterable[Group]) -> bool:
    """Whether any parameter of these groups is a DTensor."""
    if "torch.distributed.tensor" not in sys.modules:
        return False
    one_of_each: dict[type, Tensor] = {type(p): p for group in groups for p in group["params"]}
    return any(map(is_dtensor, one_of_each.values()))


class Shard:
    """One parameter's stand-in: a plain Parameter over the shard that lies here, and its state.

    ``state`` is what the engines read and write, ``published`` the same for everybody else, whose tensors lie in the
    same memory.
    """

    def __init__(self, p: DTensor) -> None:
        self.source = p.to_local()
        self.tensor = torch.nn.Parameter(self.source.detach(), requires_grad=False)
        self.layout = Layout.of(p)
        mark(self.tensor, *shape_and_offset(p), p.shape)
        self.state = ParameterState()
        self.published: dict[str, tuple[Any, Any]] = {}
        self.regularizer: tuple[Any, Any] = (None, None)

    def lies_at(self, p: DTensor) -> bool:
        """Whether the parameter still lies where it did: one that is loaded or moved may get other memory."""
        return p.to_local() is self.source and Layout.of(p) == self.layout

    def take_gradient(self, p: DTensor) -> None:
        g = p.grad
        self.tensor.grad = None if g is None else local_part(g, p, "the gradient").to(self.source.device)

    def adopt(self, p: DTensor, published: Mapping[str, Any]) -> None:
        """Take the state from what is published, by whoever loaded or wrote it."""
        self.state = local_state(p, published)
        self.published = {name: (x, published[name]) for name, x in self.state.items()}

    def publish(self, p: DTensor, state: Any) -> None:
        """Let the optimizer's state of p be this one, as DTensors where they are of the parameter's shape."""
        if not self.state:
            state.pop(p, None)
            self.published = {}
            return
        known, self.published = self.published, {}
        for name, x in self.state.items():
            mine, theirs = known.get(name, (None, None))
            self.published[name] = (x, theirs if mine is x else published_form(p, x))
        own = state.setdefault(p, {})
        own.clear()
        own.update({name: theirs for name, (_, theirs) in self.published.items()})

    def regularizer_of(self, whole: Regularizer | None) -> Regularizer | None:
        """The regularizer as it acts on this shard: with its part of what is given for each coordinate."""
        if whole is not None and self.regularizer[0] is not whole:
            self.regularizer = whole, regularizer_on_shard(whole, self.tensor, self.layout)
        return None if whole is None else self.regularizer[1]


class Shards:
    """The stand-ins of some groups' parameters, kept from step to step, and what lies on which processes."""

    def __init__(self) -> None:
        self._shards = dict[Tensor, Shard]()
        self.places = list[int]()
        """For each of the local groups, which of the user's it is of."""
        self._sources = dict[Tensor, "DTensor"]()

    def local(self, groups: list[Group], views: Sequence[View]) -> list[Group]:
        """The groups with stand-ins for the DTensors that allow one.

        A group is cut into several where its regularizer has a number for each coordinate.
        """
        found, places, kept = list[Group](), list[int](), dict[Tensor, Shard]()
        self._sources = {}
        for k, (group, view) in enumerate(zip(groups, views, strict=True)):
            parts = dict[int, Group]()
            for p in group["params"]:
                own, q = group.get("regularizer"), p
                if is_dtensor(p):
                    if steps_locally(view, p):
                        shard = kept[p] = self._shard(p)
                        q, own = shard.tensor, shard.regularizer_of(own)
                    self._sources[q] = p
                part = parts.setdefault(id(own), {**group, "regularizer": own, "params": []})
                part["params"].append(q)
            for part in parts.values() or [group]:
                found.append(part)
                places.append(k)
        self._shards, self.places = kept, places
        return found

    def _shard(self, p: DTensor) -> Shard:
        shard = self._shards.get(p)
        if shard is None or not shard.lies_at(p):
            new = Shard(p)
            if shard is not None:
                new.state, new.published = shard.state, shard.published
            shard = new
        return shard

    def gradient(self, p: Tensor, g: Tensor) -> Tensor:
        """What lies here of the gradient of a tensor that is stepped."""
        return local_part(g, self._sources[p], "the gradient") if is_dtensor(g) else g

    def reduction(self, params: list[Tensor], process_group: Any) -> Reduction:
        """Over which processes the gradients of these tensors lie, and on how many each.

        Those are the processes of the widest mesh, or of the group that was given. A tensor that is no DTensor is
        taken to lie on all of that mesh alike, and so is one on a part of it: along the rest it has copies.

        Raises ``ValueError`` for a mesh that is no part of the widest.
        """
        meshes = {id(p.device_mesh): p.device_mesh for p in self._sources.values()}
        widest = max(meshes.values(), key=lambda mesh: mesh.size())
        for mesh in meshes.values():
            if process_group is None and not _ranks(widest) >= _ranks(mesh):
                raise ValueError(
                    f"parameters lie on {widest} and on {mesh}, and neither has all of the processes; give "
                    "process_group=, the one over which gradients are to be summed, to the optimizer."
                )
        copies = [widest.size() // (Layout.of(self._sources[p]).parts if p in self._sources else 1) for p in params]
        groups = _groups_of(widest) if process_group is None else [process_group]
        return Reduction(groups, copies, next(iter(self._sources.values())).to_local().device)

    def take(self, state: Mapping[Tensor, ParameterState]) -> dict[Tensor, ParameterState]:
        """The gradients as they are now, and the states by the tensors that are stepped."""
        local = dict[Tensor, ParameterState]()
        for p, own in state.items():
            if p not in self._shards:
                local[p] = own
        for p, shard in self._shards.items():
            shard.take_gradient(cast("DTensor", p))
            theirs, known = state.get(p, {}), shard.published
            if len(theirs) != len(known) or not all(theirs.get(name) is x for name, (_, x) in known.items()):
                shard.adopt(cast("DTensor", p), theirs)
            if shard.state:
                local[shard.tensor] = shard.state
        return local

    def publish(self, local: Mapping[Tensor, ParameterState], state: Any) -> None:
        """After a step: the states back to the optimizer, and the gradients let go."""
        owners = {shard.tensor: (p, shard) for p, shard in self._shards.items()}
        for q, own in local.items():
            if q not in owners:
                state[q] = own
        for q, (p, shard) in owners.items():
            q.grad = None
            shard.state = own = local.get(q, {})
            if len(own) != len(shard.published) or not all(
                map(is_, own.values(), (mine for mine, _ in shard.published.values()))
            ):
                shard.publish(cast("DTensor", p), state)
        torch.autograd.graph.increment_version([p for p in self._shards if p.grad is not None])


def steps_locally(view: View, p: DTensor) -> bool:
    """Whether the shard's step can be made on a plain tensor: a rule for each coordinate, and no graph through it."""
    whole = all(not placement.is_partial() for placement in p.placements)
    return whole and view.mode != "differentiable" and view.rule.acts_on == "coordinates"


def reduction_over(process_group: Any, params: list[Tensor]) -> Reduction:
    """Of plain tensors, of which each process has some of its own: as ZeRO and FSDP1 show them."""
    backend = str(torch.distributed.get_backend(process_group))
    device = params[0].device if params else torch.device("cuda" if "nccl" in backend else "cpu")
    return Reduction([process_group], [1] * len(params), device)


def _ranks(mesh: Any) -> set[int]:
    return {*map(int, mesh.mesh.flatten())}


def _groups_of(mesh: Any) -> list[Any]:
    """The process groups that sum over all of a mesh: one, where there is one of these very processes."""
    if mesh.ndim == 1:
        return [mesh.get_group()]
    if mesh.size() == torch.distributed.get_world_size():
        return [torch.distributed.group.WORLD]
    return mesh.get_all_groups()


def shape_and_offset(p: DTensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape of the shard here, and where it begins along each dimension of the whole."""
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset  # noqa: PLC0415

    return compute_local_shape_and_global_offset(p.shape, p.device_mesh, p.placements)


def local_part(x: Any, p: DTensor, what: str) -> Tensor:
    """The shard of a tensor that belongs to p's: from a DTensor, or from one that lies whole on every process."""
    if is_dtensor(x):
        x = cast("DTensor", x)
        return (x if x.placements == p.placements else x.redistribute(placements=p.placements)).to_local()
    if not isinstance(x, Tensor) or x.shape != p.shape:
        raise TypeError(
            f"{what} of a DTensor of shape {tuple(p.shape)} must be one too, or a tensor of that shape, but is {x!r}."
        )
    shape, offset = shape_and_offset(p)
    return Piece(shape, offset, tuple(p.shape)).cut(x)


def local_state(p: DTensor, published: Mapping[str, Any]) -> ParameterState:
    """A state with each tensor of the parameter's shape as the shard of it."""
    return {name: local_part(x, p, f"the state {name!r}") if is_dtensor(x) else x for name, x in published.items()}


def published_form(p: DTensor, x: Any) -> Any:
    """A state's tensor that is as the shard here, as a DTensor over the same memory; all else as it is."""
    as_shard = isinstance(x, Tensor) and x.dim() > 0 and x.shape == p.to_local().shape
    return Layout.of(p).spread(x) if as_shard else x
