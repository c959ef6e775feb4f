"""Sums over the processes on which the gradients lie, so that all of them come to one verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from ..regularizers import Regularizer
from .sharding import Sharding, is_dtensor


@dataclass(frozen=True)
class Reduction:
    """``groups`` are the process groups that are summed over, one after the other; ``copies`` on how many processes
    each of the gradients lies; ``device`` is one that these groups can send from."""

    groups: Sequence[Any]
    copies: Sequence[int]
    device: torch.device

    def total(self, numbers: Sequence[Any]) -> Tensor:
        """The sum of each of these numbers over all processes, in float64: the same bits on each."""
        alike = [torch.as_tensor(x, dtype=torch.float64).reshape(()).to(self.device) for x in numbers]
        sums = torch.stack(alike)
        for group in self.groups:
            torch.distributed.all_reduce(sums, group=group)  # pyright: ignore[reportUnknownMemberType]
        return sums


def squares(
    norm_of: Callable[[Sequence[Tensor]], Any],
    whole: Callable[[], Any] | None,
    grads: Sequence[Tensor],
    copies: Sequence[int],
) -> Any:
    """Σ ‖g‖²/copies, so that each gradient counts once in the sum over all processes.

    ``norm_of`` is the norm of some of the gradients, ``whole`` a faster way to that of all.
    """
    kinds = {*copies}
    if len(kinds) <= 1 and whole is not None:
        return whole() ** 2 / (kinds.pop() if kinds else 1)
    sums = [norm_of([g for g, n in zip(grads, copies, strict=True) if n == kind]) ** 2 / kind for kind in sorted(kinds)]
    return sum(sums[1:], sums[0]) if sums else 0.0


LOST = "lost"
"""What a copy of an optimizer has for its process group, which is neither copied nor pickled."""


def check_flat_shards(group: Mapping[str, Any], regularizer: Regularizer, process_group: Any) -> None:
    """Raise ``ValueError`` for what cannot be right on FSDP1's flat shards, which show no more than some numbers."""
    if not any(getattr(p, "_fsdp_flattened", False) or type(p).__name__ == "FlatParameter" for p in group["params"]):
        return
    if not regularizer.separable:
        raise ValueError(
            f"{regularizer!r} needs to know where its blocks lie, and FullyShardedDataParallel shows flat shards; use "
            "fully_shard (FSDP2), or a regularizer for each coordinate such as L1()."
        )
    asked = [name for name in ("max_grad_norm", "skip_nonfinite") if group.get(name)]
    if asked and process_group is None:
        raise ValueError(
            f"{asked[0]}={group[asked[0]]!r} asks for all gradients, of which FullyShardedDataParallel has some "
            "on each process; give process_group=, the group that the model is sharded over, for all processes "
            "torch.distributed.group.WORLD."
        )


def reduction_of(params: Sequence[Tensor], everything: Sequence[Tensor], process_group: Any) -> Reduction | None:
    """Over which processes the gradients of ``params`` lie, and on how many each; None if all of them are here.

    Those are the processes of the widest mesh among ``everything``, or of the group that was given. A tensor that is
    no DTensor is taken to lie on all of that mesh alike, and so is one on a part of it: along the rest it has copies.
    Without any DTensor, each process has tensors of its own.

    Raises ``ValueError`` for a mesh that is no part of the widest, and for a group that lacks some of its processes.
    """
    dtensors: list[Any] = [p for p in everything if is_dtensor(p)]
    if not dtensors:
        return None if process_group is None else reduction_over(process_group, params)
    mesh = widest_mesh(dtensors, process_group)
    return reduction_on(mesh, [copies_of(p, mesh) for p in params], process_group, dtensors[0].device)


def reduction_on(mesh: Any, copies: Sequence[int], process_group: Any, device: torch.device) -> Reduction:
    """Over all of a mesh, by one process group where there is one of these very processes; or over the given group."""
    if process_group is not None:
        groups = [process_group]
    elif mesh.ndim == 1:
        groups = [mesh.get_group()]
    else:
        everyone = mesh.size() == torch.distributed.get_world_size()
        groups = [torch.distributed.group.WORLD] if everyone else mesh.get_all_groups()
    return Reduction(groups, copies, device)


def copies_of(p: Tensor, mesh: Any) -> int:
    """On how many processes of the widest mesh a parameter's shard lies."""
    return int(mesh.size()) // (Sharding.of(cast("Any", p)).parts if is_dtensor(p) else 1)


def widest_mesh(params: Iterable[Any], process_group: Any) -> Any:
    """The mesh of all processes that these lie on.

    Raises ``ValueError`` if it, or the group that was given, lacks some of them: on how many processes a shard lies
    would be a guess.
    """
    check_not_lost(process_group)
    meshes = {id(p.device_mesh): p.device_mesh for p in params}
    widest = max(meshes.values(), key=lambda mesh: mesh.size())
    for mesh in meshes.values():
        if not _ranks(widest) >= _ranks(mesh):
            raise ValueError(
                f"parameters lie on {widest} and on {mesh}, and neither has all of the processes, so that the norm of "
                "all gradients is not known; lay them out over one mesh that has both as its dimensions, with "
                "Replicate() along those where they are not cut."
            )
    if process_group is not None and not {*torch.distributed.get_process_group_ranks(process_group)} >= _ranks(widest):
        raise ValueError(
            f"process_group= has not all processes of {widest}, over which parameters lie; leave it out, or give one "
            "that has them and those of the other stages."
        )
    return widest


def _ranks(mesh: Any) -> set[int]:
    return {*map(int, mesh.mesh.flatten())}


def check_not_lost(process_group: Any) -> None:
    """Raise ``RuntimeError`` for what a copy of an optimizer has."""
    if process_group == LOST:
        raise RuntimeError(
            "this copy of an optimizer has no process group, which is neither copied nor pickled, so that no norm of "
            "all gradients is known; set optimizer.process_group."
        )


def reduction_over(process_group: Any, params: Sequence[Tensor]) -> Reduction:
    """Of plain tensors, of which each process has some of its own, as ZeRO and FSDP1 show them."""
    check_not_lost(process_group)
    backend = str(torch.distributed.get_backend(process_group))
    device = params[0].device if params else torch.device("cuda" if "nccl" in backend else "cpu")
    return Reduction([process_group], [1] * len(params), device)
