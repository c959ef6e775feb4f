"""Sums over the processes on which the gradients lie, so that all of them come to one verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


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
