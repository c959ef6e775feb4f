"""A regularizer's prox, by hand and by the library."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .texts import RegularizerText

THRESHOLD = 0.25


@dataclass(frozen=True)
class Proved:
    """``prox_τ`` at a few points: what went in, what the hand and the library made of it."""

    points: tuple[float, ...]
    by_hand: tuple[float, ...]
    own: tuple[float, ...]

    @property
    def error(self) -> float:
        """The largest difference."""
        return max(abs(a - b) for a, b in zip(self.by_hand, self.own, strict=True))


def proved(text: RegularizerText, τ: float = THRESHOLD) -> Proved:
    """Work out the prox of the text's example at its points."""
    y = torch.tensor(text.points, dtype=torch.float64).reshape(text.shape)
    own = text.example.prox(y, τ).flatten()
    return Proved(text.points, tuple(text.by_hand(text.points, τ)), tuple(float(x) for x in own))
