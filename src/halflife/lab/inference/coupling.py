"""How far the best λ moves with the learning rate: the coupling exponent κ, from a grid of errors.

κ = −dz*/dx, with x = log lr, z = log λ and z*(x) the z of least error at x. Two estimates, of which the first is κ:

- *columns*: the vertex of a parabola in each learning rate's column, then Theil–Sen's slope through the vertices (Sen
  1968, https://doi.org/10.1080/01621459.1968.10480934). It is the definition itself, asks nothing of how the error
  depends on lr, and lets a third of the columns be wrong.
- *quadratic*: κ = H_xz/H_zz of one quadratic through the cells beside those vertices, the height of each column free.

The heights are free because real basins are no bowls: at small lr the error is flat in λ, and it is capped where λ
kills the weights. There a quadratic in both x and z, fitted to the cells near the best, misses by half the difference
of 1 that κ of AdamW's two forms must have, and swings with the cells taken. For the same reason a column counts only
if its best λ beats both ends of the grid: where decay does not matter, the best λ is a matter of chance.

Both estimates move by exactly −p if λ is rewritten as λ' = λ·lr^p, on any surface.

A vertex found between three cells depends on where they lie: over valleys of several shapes, those of
``benchmarks/coverage.py``, it is off by 0.04–0.07 of a step of the λ grid beside what all columns share. So ``VERTEX``
of a step is the standard uncertainty u(z*), and u(κ) = u(z*)/√Σ(x − x̄)².

Where the walls beside the best λ differ otherwise at each lr, ``columns.lean`` adds an uncertainty of its own.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .columns import COLUMNS_NEEDED, lean, lowest, slope, vertices
from .intervals import Array, Estimate, NotIdentified, estimate

VERTEX = 0.1
"""The standard uncertainty of a vertex, in steps of the λ grid."""


class Vertex(NamedTuple):
    """One learning rate's best λ: their logarithms, and the row and column of the best cell beside it."""

    x: float
    z: float
    cell: tuple[int, int]


@dataclass(frozen=True)
class Coupling:
    """κ of one optimizer, twice, each a number or the reason why there is none; and the vertices behind both.

    Attributes:
        columns: by Theil–Sen's slope through the vertices of the learning rates' columns.
        quadratic: by one quadratic through the cells beside them.
        ridge: each learning rate's best λ.

    Example:
        >>> import numpy as np
        >>> from halflife.lab import coupling
        >>> lrs, lams = np.logspace(-3, 0, 4), np.logspace(-5, 0, 6)
        >>> x, z = np.meshgrid(np.log10(lrs), np.log10(lams), indexing="ij")
        >>> found = coupling(lrs, lams, 0.1 + 0.01 * (x + z + 4) ** 2)  # only lr·λ counts, best at 1e-4
        >>> round(found.columns, 2), round(found.quadratic, 2), len(found.ridge)
        (1.0, 1.0, 4)
    """

    columns: float | NotIdentified
    quadratic: float | NotIdentified
    ridge: tuple[Vertex, ...]

    @property
    def kappa(self) -> float | NotIdentified:
        """The κ to report: by columns, for the reasons given above."""
        return self.columns


def coupling(lrs: Array, lams: Array, errors: Array) -> Coupling:
    """κ by both estimates; 0: the best λ stays where it is; 1: only lr·λ counts; −1: the best λ grows as lr does.

    Args:
        lrs, lams: the grid, increasing.
        errors: ``[lr, λ]``, above 0: the mean validation error of each cell, that of a guess where training diverged.

    Returns:
        Both, or why there is none.

    Raises:
        ValueError: for shapes that do not agree and for grids that do not increase.

    Example:
        >>> import numpy as np
        >>> from halflife.lab import coupling
        >>> lrs, lams = np.logspace(-3, 0, 4), np.logspace(-3, -1, 5)
        >>> x, z = np.meshgrid(np.log10(lrs), np.log10(lams), indexing="ij")
        >>> round(abs(coupling(lrs, lams, 0.1 + 0.01 * (z + 2) ** 2).kappa), 2)  # the best λ is 1e-2 at every lr
        0.0
    """
    if errors.shape != (len(lrs), len(lams)):
        raise ValueError(f"errors has shape {errors.shape}; {(len(lrs), len(lams))} was expected, [lr, λ].")
    if (np.diff(lrs) <= 0).any() or (np.diff(lams) <= 0).any():
        raise ValueError("the learning rates and the weight decays must both increase.")
    x, z, y = np.log(lrs), np.log(lams), np.log(errors)
    best, zs = lowest(y), vertices(z, y)
    ridge = tuple(Vertex(float(x[i]), float(v), (i, int(best[i]))) for i, v in enumerate(zs) if np.isfinite(v))
    if len(ridge) < COLUMNS_NEEDED:
        missing = NotIdentified(
            f"the best λ lies inside the grid, and matters, at {len(ridge)} of {len(lrs)} learning rates; "
            f"{COLUMNS_NEEDED} are needed"
        )
        return Coupling(missing, missing, ridge)
    return Coupling(float(slope(x, zs)), _quadratic(ridge, x, z, y), ridge)


def kappa(lrs: Array, lams: Array, samples: Array) -> Estimate | NotIdentified:
    """κ by columns and how surely it is known, from errors above 0 of shape ``[seed, lr, λ]``.

    Not identified either where it hangs on a single seed.
    """
    whole = coupling(lrs, lams, samples.mean(0))
    if isinstance(whole.kappa, NotIdentified):
        return whole.kappa
    found = estimate(
        lambda errors: by_columns(lrs, lams, errors),
        samples,
        resolution=resolution(whole, lams),
        lean=lean(np.log(lrs), np.log(lams), samples),
    )
    interval = found.interval()
    return interval if isinstance(interval, NotIdentified) and len(samples) > 1 else found


def by_columns(lrs: Array, lams: Array, samples: Array) -> Array:
    """κ by columns for each of many samples ``[…, seed, lr, λ]``; NaN where it is not identified."""
    return slope(np.log(lrs), vertices(np.log(lams), np.log(samples.mean(-3))))


def resolution(found: Coupling, lams: Array) -> float:
    """u(κ): what the place of the grid's points adds to its standard uncertainty."""
    x = np.array([vertex.x for vertex in found.ridge])
    step = float(np.diff(np.log(lams)).mean())
    return VERTEX * step / float(np.sqrt(np.square(x - x.mean()).sum()))


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
