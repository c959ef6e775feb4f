"""Over how many octaves the gradients, updates and weights of two optimizers spread: histograms in base-2 bins."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...inference.intervals import Array
from ...training.magnitudes import KINDS, Magnitudes

MIDDLE = 0.9
"""Of the numbers, by which their spread is told in one number."""
SEEN = 5e-4
"""The least share for which the axis is made longer."""


class MagnitudesPanel(NamedTuple):
    """One kind after one epoch. ``shares`` holds, for each optimizer, which share of the numbers above 0 lies in
    2^b ≤ |x| < 2^(b+1), for the b of the figure's ``bins``, ends of less than 0.05 % left out; ``octaves`` how many the
    middle 90 % span; ``zeros`` the share that is exactly 0.
    """

    kind: str
    epoch: int
    shares: tuple[Array, ...]
    octaves: tuple[float, ...]
    zeros: tuple[float, ...]


class MagnitudesSpec(NamedTuple):
    """``panels`` by kind, then by epoch; ``bins[kind]`` are the exponents b of that row of panels."""

    titles: tuple[str, ...]
    epochs: tuple[int, ...]
    bins: dict[str, tuple[int, ...]]
    panels: list[MagnitudesPanel]


def magnitudes_spec(recorded: Sequence[Magnitudes]) -> MagnitudesSpec:
    """Of trainings recorded at the same epochs, usually of two optimizers."""
    epochs = recorded[0].epochs
    if any(one.epochs != epochs for one in recorded):
        raise ValueError("the magnitudes were recorded at different epochs.")
    bins = {kind: _bins([one.counts[kind] for one in recorded], recorded[0].first) for kind in KINDS}
    panels = [_panel(recorded, kind, index, bins[kind]) for kind in KINDS for index in range(len(epochs))]
    return MagnitudesSpec(tuple(one.label for one in recorded), epochs, bins, panels)


def _bins(counts: Sequence[NDArray[np.int64]], first: int) -> tuple[int, ...]:
    """All but the ends in which no panel has a share that could be seen."""
    shares = np.concatenate([one / np.maximum(one.sum(1, keepdims=True), 1) for one in counts])
    taken = np.flatnonzero(shares.max(0) >= SEEN)
    if not len(taken):
        return (0,)
    return tuple(range(first + int(taken[0]), first + int(taken[-1]) + 1))


def _panel(recorded: Sequence[Magnitudes], kind: str, index: int, bins: tuple[int, ...]) -> MagnitudesPanel:
    start = bins[0] - recorded[0].first
    counts = [one.counts[kind][index] for one in recorded]
    whole = [one / max(int(one.sum()), 1) for one in counts]
    shares = tuple(one[start : start + len(bins)] for one in whole)
    zeros = [int(one.zeros[kind][index]) for one in recorded]
    return MagnitudesPanel(
        kind,
        recorded[0].epochs[index],
        shares,
        tuple(octaves(share) for share in whole),
        tuple(zero / max(zero + int(one.sum()), 1) for zero, one in zip(zeros, counts, strict=True)),
    )


def octaves(shares: Array) -> float:
    """How many octaves hold the middle 90 %, numbers within a bin taken as even; 0 for nothing."""
    if not shares.sum():
        return 0.0
    cumulated = np.concatenate([[0.0], np.cumsum(shares)])
    tail = (1 - MIDDLE) / 2
    low, high = np.interp([tail, 1 - tail], cumulated, np.arange(len(cumulated)))
    return float(high - low)


RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def octave_words(one: MagnitudesPanel) -> str:
    """In the order of the legend."""
    zeros = [f"{100 * zero:.0f} %" for zero in one.zeros]
    more = f"; zeros {' · '.join(zeros)}" if any(zero > 0.005 for zero in one.zeros) else ""
    return f"middle 90 %: {' · '.join(f'{octaves:.1f}' for octaves in one.octaves)} octaves{more}"


def power_of_two(exponent: int) -> str:
    """2⁻⁹."""
    return "2" + str(exponent).translate(RAISED)


def octave_ticks(bins: tuple[int, ...], most: int) -> list[int]:
    """Exponents at even distances, none at an end, where the next panel's would touch it."""
    every = max(1, -(-len(bins) // most))
    return [b for b in bins[1:] if b % every == 0]


def tallest(info: MagnitudesSpec) -> dict[str, float]:
    """Of all panels of a kind, which share their scale."""
    return {
        kind: max(float(share.max()) for one in info.panels if one.kind == kind for share in one.shares)
        for kind in info.bins
    }
