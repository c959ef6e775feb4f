"""Error beside norm: what two optimizers reach at each λ, and how large their weights are then; the blog's figure."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...analysis import Findings
from ...inference.intervals import Array
from ...result import Result
from ...units import error_text

PAIR = (("adamw-torch", "adamw-paper", "adamw"), ("adam-p",))
"""By name, the first that a study has: AdamW in either form, and AdamP."""
MOST_LRS = 4


class PairedSpec(NamedTuple):
    """Two optimizers at the learning rates ``lrs``. Of each: ``lams``, and ``errors`` and ``norms`` ``[lr, λ]``, means
    over the seeds, NaN where a seed diverged.
    """

    titles: tuple[str, str]
    unit: str
    lrs: tuple[float, ...]
    lams: tuple[tuple[float, ...], tuple[float, ...]]
    errors: tuple[Array, Array]
    norms: tuple[Array, Array]
    finding: str


def paired_spec(result: Result) -> PairedSpec | None:
    """Of a study that has both, at learning rates that both have; None where it has not, or no norm was kept."""
    by_name = {found.spec.name: found for found in result.findings}
    first, second = (next((by_name[name] for name in names if name in by_name), None) for names in PAIR)
    if first is None or second is None:
        return None
    norms = [_alive(result.column(one, "weight_norm"), one) for one in (first, second)]
    shared = [lr for lr in first.lrs if lr in second.lrs]
    if not shared or not all(np.isfinite(norm).any() for norm in norms):
        return None
    lrs = _about(shared, first.best_lr)
    rows = [[one.lrs.index(lr) for lr in lrs] for one in (first, second)]
    errors = [_alive(one.val, one) for one in (first, second)]
    return PairedSpec(
        titles=(first.spec.label, second.spec.label),
        unit=first.unit,
        lrs=tuple(lrs),
        lams=(first.lams, second.lams),
        errors=(errors[0][rows[0]], errors[1][rows[1]]),
        norms=(norms[0][rows[0]], norms[1][rows[1]]),
        finding=_finding((first, second), (norms[0], norms[1])),
    )


def _about(lrs: list[float], best: float) -> list[float]:
    """So many of them about the best."""
    at = min(range(len(lrs)), key=lambda i: abs(np.log(lrs[i] / best)))
    start = max(0, min(at - MOST_LRS // 2, len(lrs) - MOST_LRS))
    return lrs[start : start + MOST_LRS]


def _alive(values: Array, found: Findings) -> Array:
    """The mean over the seeds; NaN where one diverged."""
    there = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, values, 0).sum(0) / there.sum(0)
    return np.where(found.diverged.any(0), np.nan, mean)


def _finding(pair: tuple[Findings, Findings], norms: tuple[Array, Array]) -> str:
    """At the best cell of either."""
    parts = [
        f"{one.spec.label} {error_text(one.val_error.mean, one.unit)} with a norm of {float(norm[one.best]):.3g}"
        for one, norm in zip(pair, norms, strict=True)
    ]
    return f"At the best cell: {parts[0]}, {parts[1]}"
