"""What must be known of all gradients before any weight moves: their norm, whether they are finite, their scale."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from ..rules import Scalar
from ..sharded.reduction import Reduction, squares
from .group_step import as_real


@dataclass(frozen=True)
class StepDecision:
    """``factor`` multiplies every gradient; ``norm`` is theirs before clipping, if it was asked for.

    ``skip``, where only the device knows that: one number there, not 0 where the step is to be skipped after all.
    """

    act: Literal["step", "skip"]
    factor: Scalar = 1.0
    norm: Scalar | None = None
    skip: Tensor | None = None

    def settled(self) -> StepDecision:
        """The same, once it is known whether to skip: the device is waited for."""
        if self.skip is None:
            return self
        return StepDecision("skip" if bool(self.skip) else "step", self.factor, self.norm)


STEP = StepDecision("step")

FastNorm = Callable[[], float]
"""A faster way to the norm of all gradients than the one here."""

FindReduction = Callable[[], Reduction | None]
"""What says over which processes the gradients lie; None where they are all here."""


class StepGuard(Protocol):
    """Asked once before each step, with all gradients, whether it is to be made and by what factor."""

    def __call__(
        self, grads: Sequence[Tensor], fast_norm: FastNorm | None, reduction: FindReduction, /
    ) -> StepDecision: ...


@dataclass(frozen=True)
class GlobalGradOptions:
    """What is asked of all gradients together; they are only read.

    ``max_norm``: the largest L2 norm of all gradients together, as in ``torch.nn.utils.clip_grad_norm_``: the factor is
    ``max_norm/(norm + 1e-6)``, 1 at most. ``nonfinite``: what to do if a gradient has NaN or infinity. ``scale``: what
    the loss was multiplied by, ``found`` whether a ``GradScaler`` has seen NaN or infinity already.
    ``read``: whether numbers may be read into Python, as on the CPU; else all that is decided stays on the device.
    """

    max_norm: float | None = None
    nonfinite: Literal["step", "skip"] = "step"
    scale: Any = None
    found: Any = None
    read: bool = True

    def decide(
        self, grads: Sequence[Tensor], fast_norm: FastNorm | None = None, reduction: Reduction | None = None
    ) -> StepDecision:
        """What is to be done with these gradients; with a ``reduction``, on all of its processes the same."""
        if not self.read:
            return self._decide_unread(grads, reduction)
        found = self.found is not None and bool(_plain(self.found))
        factor = 1.0 if self.scale is None else 1.0 / float(_plain(self.scale))
        looks = self.max_norm is not None or self.nonfinite == "skip"
        if found and reduction is None:
            return StepDecision("skip")
        if not looks and (reduction is None or self.found is None):
            return StepDecision("step", factor)
        norm, bad, found = self._read(grads if looks else [], fast_norm if looks else None, found, reduction)
        if found:
            return StepDecision("skip")
        norm *= factor
        if bad:
            return StepDecision("skip", norm=norm)
        if self.max_norm is not None:
            factor *= float(clip_factor(norm, self.max_norm))
        return StepDecision("step", factor, norm if looks else None)

    def _read(
        self, grads: Sequence[Tensor], fast_norm: FastNorm | None, found: bool, reduction: Reduction | None
    ) -> tuple[float, bool, bool]:
        """The norm of all gradients, whether one is not finite that must be, and whether a scaler found one."""
        parts = [_real_values(g) for g in grads]
        if reduction is None:
            norm = fast_norm() if fast_norm else float(total_norm(parts, read=True))
            return norm, self.nonfinite == "skip" and not _all_finite(norm, parts), found
        here = float(
            squares(lambda some: total_norm(some, read=True), fast_norm, parts, reduction.copies[: len(parts)])
        )
        bad = self.nonfinite == "skip" and not _all_finite(here, parts)
        square, *verdicts = map(float, reduction.total([here, bad, found]))
        return square**0.5, bool(verdicts[0]), bool(verdicts[1])

    def _decide_unread(self, grads: Sequence[Tensor], reduction: Reduction | None) -> StepDecision:
        """The same in tensors of one number: a sum of squares in float64 overflows with the gradients alone."""
        skip = None if self.found is None else torch.as_tensor(_plain(self.found)).reshape(()) != 0
        factor = 1.0 if self.scale is None else 1.0 / torch.as_tensor(_plain(self.scale)).reshape(()).double()
        looks = self.max_norm is not None or self.nonfinite == "skip"
        norm: Scalar = 0.0
        if looks and reduction is None:
            norm = total_norm([_real_values(g) for g in grads], read=False)
        elif reduction is not None and (looks or skip is not None):
            parts = [_real_values(g) for g in grads] if looks else []
            here = squares(partial(total_norm, read=False), None, parts, reduction.copies[: len(parts)])
            square, found = reduction.total([here, 0.0 if skip is None else skip])
            norm, skip = square.sqrt(), None if skip is None else found != 0
        if not looks:
            return StepDecision("step", factor, skip=skip)
        norm = norm * factor
        if self.nonfinite == "skip":
            bad = ~torch.as_tensor(norm).isfinite()
            skip = bad if skip is None else skip.to(bad.device) | bad
        factor = factor if self.max_norm is None else factor * clip_factor(norm, self.max_norm)
        return StepDecision("step", factor, norm, skip)


def clip_factor(norm: Scalar, max_norm: float) -> Scalar:
    """``min(1, max_norm/(norm + 1e-6))``, NaN where the norm is."""
    ratio = max_norm / (norm + 1e-6)
    if isinstance(ratio, Tensor):
        return ratio.clamp(max=1.0)
    return 1.0 if ratio > 1 else ratio


def total_norm(parts: Sequence[Tensor], *, read: bool) -> Scalar:
    """The L2 norm of all together, in float32 (float64 for float64); in float64 where the squares do not fit."""
    if not read:
        return _norm(parts, torch.float64)
    norm = float(_norm(parts, torch.float32))
    return norm if norm < float("inf") else float(_norm(parts, torch.float64))


def _norm(parts: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """Each tensor's norm, in at least this dtype where the device has it, and the norm of these on the first device."""
    if not parts:
        return torch.zeros((), device="cpu")
    alike: dict[tuple[torch.device, torch.dtype], list[Tensor]] = defaultdict(list)
    for x in parts:
        alike[x.device, x.dtype].append(x)
    norms: list[Tensor] = []
    for (device, own), tensors in alike.items():
        wanted = torch.float32 if device.type == "mps" else torch.promote_types(own, dtype)
        norms += torch._foreach_norm(tensors, 2, wanted)
    home = norms[0].device
    exact = torch.float32 if home.type == "mps" else torch.float64
    return torch.linalg.vector_norm(torch.stack([norm.to(home, exact) for norm in norms]))


def _all_finite(norm: Scalar, parts: Sequence[Tensor]) -> bool:
    """A finite norm says so of all; one that is not may have overflowed."""
    if bool(torch.as_tensor(norm, device=None if isinstance(norm, Tensor) else "cpu").isfinite()):
        return True
    return all(bool(x.isfinite().all()) for x in parts)


def _plain(x: Any) -> Any:
    """What a ``GradScaler`` gives, as a tensor that lies here whole."""
    return x.full_tensor() if hasattr(x, "full_tensor") else x


def _real_values(g: Tensor) -> Tensor:
    """A gradient's numbers: a sparse one's sums at the coordinates that it names."""
    return as_real((g.coalesce().values() if g.is_sparse else g).resolve_conj())
