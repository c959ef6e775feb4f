"""Does an optimizer see the scale of the loss? Every cell's error at loss × c against that at loss × 1."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...inference.intervals import Array
from ...result import Result
from ...units import difference_text, difference_unit
from .axes import limits

SHOWN = 0.9
"""The share of the cells that the axes are made for."""


class ScaleFreeSpec(NamedTuple):
    """One optimizer. ``base`` is each cell's mean validation error at the least factor, ``[lr, λ]``; ``scaled`` that at
    each other factor of ``factors``; ``moved`` how far a run moved, mean over cells and seeds, in error.

    On the diagonal nothing moves: the optimizer is scale-free.
    """

    title: str
    unit: str
    lrs: tuple[float, ...]
    lams: tuple[float, ...]
    base: Array
    factors: tuple[float, ...]
    scaled: tuple[Array, ...]
    moved: tuple[float, ...]


def scale_free_spec(results: Sequence[Result]) -> list[ScaleFreeSpec]:
    """Of studies that differ in ``loss_scale``: a panel for each optimizer that all of them ran; else none."""
    by_factor = {result.settings.loss_scale: result for result in results}
    if len(by_factor) < 2:
        return []
    factors = sorted(by_factor)
    first, *others = (by_factor[factor] for factor in factors)
    panels: list[ScaleFreeSpec] = []
    for found in first.findings:
        scaled = [one for other in others for one in other.findings if one.spec.name == found.spec.name]
        if len(scaled) < len(others) or any(_grid(one) != _grid(found) for one in scaled):
            continue
        panels.append(
            ScaleFreeSpec(
                title=found.spec.label,
                unit=found.unit,
                lrs=found.lrs,
                lams=found.lams,
                base=found.error,
                factors=tuple(factor / factors[0] for factor in factors[1:]),
                scaled=tuple(one.error for one in scaled),
                moved=tuple(_mean(np.abs(one.val - found.val)) for one in scaled),
            )
        )
    return panels


def _grid(found: Any) -> tuple[Any, ...]:
    return found.lrs, found.lams, found.val.shape


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def moved_words(panel: ScaleFreeSpec) -> str:
    """How far a run moved, for each factor."""
    each = [difference_text(moved, panel.unit).removeprefix("+") for moved in panel.moved]
    return f"moves by {' · '.join(each)} {difference_unit(panel.unit)}"


def common_limits(panels: Sequence[ScaleFreeSpec]) -> tuple[float, float]:
    """The same ends for both axes of all panels, around all but a tenth: a few bad cells would push all into a corner.

    What lies beyond is drawn at the edge (``within``).
    """
    errors = np.concatenate([errors.ravel() for panel in panels for errors in (panel.base, *panel.scaled)])
    known = errors[np.isfinite(errors)]
    return limits(known[known <= np.quantile(known, SHOWN)] if len(known) else known)


def within(errors: Array, ends: tuple[float, float]) -> Array:
    """With what lies beyond the upper end at that end."""
    return np.minimum(errors, ends[1])
