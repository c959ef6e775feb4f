"""Regularizers in the form that the native engine takes: ``c·R``, with a ridge and bounds beside it, under a mask."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import regularizers as penalties
from ..regularizers import Regularizer
from ..rules import ASGD
from .formats import HALF
from .work import Work

REGULARIZERS: dict[type[Regularizer], tuple[int, tuple[str, ...]]] = {
    penalties.L2: (0, ()),
    penalties.L1: (1, ()),
    penalties.ElasticNet: (2, ("l1_ratio",)),
    penalties.L0: (3, ()),
    penalties.LHalf: (4, ()),
    penalties.Huber: (5, ("delta",)),
    penalties.Box: (6, ("lo", "hi")),
    penalties.NonNegative: (7, ()),
    penalties.TowardInit: (8, ()),
    penalties.GroupLasso: (9, ()),
}
"""Each compiled one's number, and its settings in the order in which its functor reads them."""

_BESIDE: dict[type[Regularizer], tuple[str, ...]] = {penalties.GroupLasso: ("dim",)}
"""Settings that decide on what stands in the table's entries."""

SUM = 16
"""What is added to that number where a ridge or bounds stand beside it."""

ALONE = (penalties.Box, penalties.NonNegative, penalties.GroupLasso)
"""What is not compiled beside others."""


class Form(NamedTuple):
    """``factor·R + ridge·½‖w‖²``, infinite where w is outside lo and hi, on the coordinates where the mask is true."""

    R: Regularizer
    factor: float = 1.0
    ridge: float = 0.0
    lo: float = -inf
    hi: float = inf
    mask: Tensor | None = None

    @property
    def is_sum(self) -> bool:
        return self.ridge != 0 or self.lo > -inf or self.hi < inf

    def words(self) -> tuple[Any, ...]:
        """All that it says, and where the mask lies and how."""
        R, x = self.R, self.mask
        settings = [getattr(R, name) for name in (*REGULARIZERS[type(R)][1], *_BESIDE.get(type(R), ()))]
        look = None if x is None else (x.data_ptr(), x.shape, x.dtype, x.stride(), x.untyped_storage().nbytes())
        return (type(R), *settings, *self[1:5], look)

    def fill(self, row: Any, lam: float) -> None:
        """Write what a row says of the regularizer; λ too, for a multiple of R alone is a multiple of λ."""
        number, settings = REGULARIZERS[type(self.R)]
        row["regularizer"] = number + SUM * self.is_sum
        row["lam"] = lam if self.is_sum else self.factor * lam
        own = [getattr(self.R, name) for name in settings]
        row["penalty"] = [*own, *[0.0] * (2 - len(own)), self.ridge, self.factor, self.lo, self.hi]


def form_of(R: Regularizer) -> Form | None:
    """That form of a regularizer, None if it has none."""
    if type(R) in REGULARIZERS:
        return Form(R)
    if isinstance(R, penalties.Scaled):
        form = form_of(R.of)
        return form and form._replace(factor=R.factor * form.factor, ridge=R.factor * form.ridge)
    if isinstance(R, penalties.OnSubset):
        form = form_of(R.of)
        return form._replace(mask=R.mask) if form and form.mask is None else None
    return _of_sum(R) if isinstance(R, penalties.Sum) else None


def _of_sum(R: penalties.Sum) -> Form | None:
    """The parts in the order in which the sum's prox takes them: ridges, one other, bounds."""
    ridge, bounds, rest = R._sorted()
    form = form_of(rest[0]) if rest else Form(penalties.L2(), ridge)
    if len(rest) > 1 or form is None or form.mask is not None or isinstance(form.R, ALONE):
        return None
    lo, hi = form.lo, form.hi
    for bound in bounds:
        least, most = (bound.lo, bound.hi) if isinstance(bound, penalties.Box) else (0.0, inf)
        lo, hi = min(max(lo, least), most), min(max(hi, least), most)
    return form._replace(ridge=form.ridge + ridge if rest else 0.0, lo=lo, hi=hi)


def penalty_refusals(work: Work) -> Iterator[str]:
    """Why the native engine cannot take this group's regularizer, if it cannot."""
    R = work.update.regularizer
    form = form_of(R)
    if form is None:
        yield f"{R!r} is not compiled"
    elif form.mask is not None and not all(_lies_as(form.mask, p) for p in work.params):
        yield "OnSubset's mask is not of the parameter's shape, or lies in memory in another order"
    elif isinstance(form.R, penalties.GroupLasso):
        yield from _group_refusals(work, form.R)


def _lies_as(mask: Tensor, p: Tensor) -> bool:
    """Whether a mask can be walked as the parameter is, to its end."""
    if mask.shape != p.shape or mask.dtype != torch.bool or not mask.is_cpu or mask.layout != torch.strided:
        return False
    same_order = mask.stride() == p.stride() or (mask.is_contiguous() and p.is_contiguous())
    return same_order and mask.storage_offset() + mask.numel() <= mask.untyped_storage().nbytes()


def _group_refusals(work: Work, R: penalties.GroupLasso) -> Iterator[str]:
    """GroupLasso waits for a whole block, which it finds in memory as the step left it."""
    if work.update.decay.needs_metric:
        yield f"{R!r} is compiled for one threshold a block alone"
    elif isinstance(work.update.rule, ASGD):
        yield f"ASGD averages what {R!r} is yet to shrink"
    elif any(p.dtype in HALF for p in work.params):
        yield f"{R!r} would see weights rounded to half precision"
    elif not all(block_of(R, p) for p in work.params if p.numel()):
        yield f"the blocks of {R!r} do not lie together in memory"


def block_of(R: penalties.GroupLasso, p: Tensor) -> int:
    """How many neighbours in memory make one block of R; 0 where a block is no such run."""
    dims = sorted(d % p.dim() for d in ((R.dim,) if isinstance(R.dim, int) else R.dim))
    together = p.is_contiguous() and len(dims) > 0 and dims == list(range(dims[0], p.dim()))
    return prod(p.shape[dims[0] :]) if together else 0


def enter_penalty(entry: Any, regularizer: Regularizer, p: Tensor) -> None:
    """Write what one parameter's entry says of the regularizer."""
    form = form_of(regularizer)
    if form is not None and form.mask is not None:
        entry["mask"] = form.mask.data_ptr()
    if form is not None and isinstance(form.R, penalties.GroupLasso):
        entry["block"] = block_of(form.R, p)
