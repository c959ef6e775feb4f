"""How far the best λ moves with the learning rate: the coupling exponent κ, from a grid of errors.

κ = −dz*/dx, with x = log lr, z = log λ and z*(x) the z of least error at x. Two estimates, of which the first is κ:

- *columns*: the vertex of a parabola in each learning rate's column, then Theil–Sen's slope through the vertices. It is
  the definition itself, asks nothing of how the error depends on lr, and lets a third of the columns be wrong.
- *quadratic*: κ = H_xz/H_zz of one quadratic through the cells beside those vertices, the height of each column free.

The heights are free because real basins are no bowls: at small lr the error is flat in λ, and it is capped where λ
kills the weights. There a quadratic in both x and z, fitted to the cells near the best, misses by half the difference
of 1 that κ of AdamW's two forms must have, and swings with the cells taken. For the same reason a column counts only
if its best λ beats both ends of the grid: where decay does not matter, the best λ is a matter of chance.

Both estimates move by exactly −p if λ is rewritten as λ' = λ·lr^p, on any surface.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

COLUMNS_NEEDED = 4
WALL = float(np.log(1.1))
"""A basin's walls: both ends of a column's grid have at least a tenth more errors than its best cell."""


class NotIdentified(NamedTuple):
    """No number can be given, and why."""

    reason: str


class Vertex(NamedTuple):
    """One learning rate's best λ: their logarithms, and the row and column of the best cell beside it."""

    x: float
    z: float
    cell: tuple[int, int]


@dataclass(frozen=True)
class Coupling:
    """κ of one optimizer, twice, each a number or the reason why there is none; and the vertices behind both."""

    columns: float | NotIdentified
    quadratic: float | NotIdentified
    ridge: tuple[Vertex, ...]

    @property
    def kappa(self) -> float | NotIdentified:
        """The κ to report: by columns, for the reasons given above."""
        return self.columns


def coupling(lrs: Array, lams: Array, errors: Array) -> Coupling:
    """κ by both estimates; 0: the best λ stays where it is; 1: only lr·λ counts; −1: the best λ grows as lr does.

    ``errors``, of shape ``[lr, λ]`` and above 0, is the mean validation error of each cell, that of a guess where the
    training diverged. Raises ``ValueError`` for shapes that do not agree and for grids that do not increase.
    """
    if errors.shape != (len(lrs), len(lams)):
        raise ValueError(f"errors has shape {errors.shape}; {(len(lrs), len(lams))} was expected, [lr, λ].")
    if (np.diff(lrs) <= 0).any() or (np.diff(lams) <= 0).any():
        raise ValueError("the learning rates and the weight decays must both increase.")
    x, z, y = np.log(lrs), np.log(lams), np.log(errors)
    found = [_vertex(i, float(x[i]), z, row) for i, row in enumerate(y)]
    ridge = tuple(vertex for vertex in found if vertex is not None)
    if len(ridge) < COLUMNS_NEEDED:
        missing = NotIdentified(
            f"the best λ lies inside the grid, and matters, at {len(ridge)} of {len(lrs)} learning rates; "
            f"{COLUMNS_NEEDED} are needed"
        )
        return Coupling(missing, missing, ridge)
    return Coupling(_theil_sen(ridge), _quadratic(ridge, x, z, y), ridge)


def _vertex(i: int, x: float, z: Array, y: Array) -> Vertex | None:
    """Of the parabola through the best cell and its two neighbours; None without walls on both sides."""
    j = int(y.argmin())
    if not 0 < j < len(z) - 1 or min(y[0], y[-1]) < y[j] + WALL:
        return None
    a, b, _ = np.polyfit(z[j - 1 : j + 2] - z[j], y[j - 1 : j + 2], 2)
    return Vertex(x, float(z[j] - b / (2 * a)) if a > 0 else float(z[j]), (i, j))


def _theil_sen(ridge: tuple[Vertex, ...]) -> float:
    return -float(np.median([(q.z - p.z) / (q.x - p.x) for p, q in combinations(ridge, 2)]))


def _quadratic(ridge: tuple[Vertex, ...], x: Array, z: Array, y: Array) -> float | NotIdentified:
    """Least squares of y_ij = h_i + b·z_j + H_xz·x_i·z_j + ½H_zz·z_j² over the best cells and their neighbours in λ."""
    rows, columns = np.array([(i, j + k) for i, j in (vertex.cell for vertex in ridge) for k in (-1, 0, 1)]).T
    heights = (rows[:, None] == np.unique(rows)).astype(float)
    X, Z = x[rows] - x.mean(), z[columns] - z.mean()
    design = np.column_stack([heights, Z, X * Z, Z * Z / 2])
    *_, H_xz, H_zz = np.linalg.lstsq(design, y[rows, columns], rcond=None)[0]
    if H_zz <= 0:
        return NotIdentified("the error does not curve upward in λ near its least")
    return float(H_xz / H_zz)
