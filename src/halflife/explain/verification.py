"""A prox worked out and verified: nowhere near it is the function that it minimises any lower."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..engines.trace import UntraceableError
from ..regularizers import Regularizer
from .derivation import WorkedLine
from .notes import Notes

THRESHOLD = 0.25
_GRID, _JOINT, _NEAREST = 201, 500, 1e-6


@dataclass(frozen=True)
class Prox:
    """``prox_τ`` at a few points y.

    ``objective`` is ½‖x − y‖² + τR(x) at the result, ``elsewhere`` the least of it at ``tried`` other x. ``lines`` work
    out the last point; there are none where the prox looks at more than one coordinate.
    """

    points: tuple[float, ...]
    values: tuple[float, ...]
    objective: float
    elsewhere: float
    tried: int
    lines: tuple[WorkedLine, ...]


def verified_prox(R: Regularizer, points: tuple[float, ...], shape: tuple[int, ...], τ: float = THRESHOLD) -> Prox:
    """Take the prox of these points, and look for a lower objective around it: along each coordinate, along the ray
    from 0 and in random directions.
    """
    y = torch.tensor(points, dtype=torch.float64).reshape(shape)
    x = R.prox(y, τ)

    def objective(x: Tensor) -> float:
        return float(((x - y) ** 2).sum() / 2 + τ * R.value(x))

    elsewhere = [objective(other) for other in _around(x, y) if (other - x).abs().max() > _NEAREST]
    values = tuple(float(value) for value in x.flatten())
    return Prox(points, values, objective(x), min(elsewhere), len(elsewhere), _lines(R, points[-1], τ))


def _around(x: Tensor, y: Tensor) -> Iterator[Tensor]:
    """Points around x: far ones along each coordinate and towards y, near ones in all directions."""
    reach = float(y.abs().max()) + 1
    for k in range(x.numel()):
        for value in torch.linspace(-reach, reach, _GRID, dtype=x.dtype):
            other = x.flatten().clone()
            other[k] = value
            yield other.reshape(x.shape)
    for k in range(_GRID):
        yield y * (k / (_GRID - 1))
    generator = torch.Generator().manual_seed(0)
    for k in range(_JOINT):
        yield x + 10 ** (-5 * k / _JOINT) * torch.randn(x.shape, generator=generator, dtype=x.dtype)


def _lines(R: Regularizer, y: float, τ: float) -> tuple[WorkedLine, ...]:
    """The prox of one coordinate, line by line."""
    notes = Notes()
    point, threshold = notes.input("y", y), notes.number("τ", τ)
    lettered = notes.lettered(R)
    if R.anchored:
        lettered = lettered.at(notes.input("w₀", 1.0))  # type: ignore[arg-type]
    try:
        x = notes.run(lambda: lettered.prox(point, threshold))  # type: ignore[arg-type]
    except UntraceableError:
        return ()
    return notes.lines({"x": x}, frozenset())  # type: ignore[dict-item]
