# pyright: reportConstantRedefinition=false, reportUnknownMemberType=false, reportUnknownVariableType=false
"""The orthogonal factor of matrices, near enough, by products alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, addmm, baddbmm
from torch.overrides import handle_torch_function, has_torch_function_unary

Form = Literal["quintic", "gram"]
Precision = Literal["bfloat16", "float32", "float64"]

LARGE = 256
"""The side of a square from which on a matrix fills the processor by itself: it gains nothing by a stack."""
PANEL = 128
"""How many rows of a symmetric product are made at once: fewer would not fill the processor."""


def newton_schulz(
    x: Tensor, coefficients: Sequence[float], steps: int, eps: float, precision: Precision, form: Form = "quintic"
) -> Tensor:
    """``UVᵀ`` of each matrix ``UΣVᵀ`` of x (…, A, B), its singular values brought near 1, shaped as x and in its dtype.

    ::

        X = x/max(‖x‖_F, ε), transposed where A > B;      k times  A = XXᵀ,  X ← aX + (bA + cA²)X

    The products are made in ``precision``. ``form="gram"`` makes the same iteration on the smaller side alone, in
    float32 at least, and multiplies X once::

        R = XXᵀ,  Q = 1;      k times  P = a + bR + cR²,  Q ← PQ,  R ← PRP;      X ← QX

    which is fewer products where one side is much longer than the other.
    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/; Björck & Bowie 1971.
    """
    if has_torch_function_unary(x):  # many tensors, which an engine stacks
        many: Any = handle_torch_function(newton_schulz, (x,), x, coefficients, steps, eps, precision, form)  # pyright: ignore
        return many
    X, tall = x.to(getattr(torch, precision)), x.size(-2) > x.size(-1)
    X = X.transpose(-2, -1) if tall else X
    X = _scaled(X, eps)
    X = _gram(X, coefficients, steps) if form == "gram" else _quintic(X, coefficients, steps)
    X = X.transpose(-2, -1) if tall else X
    return X.to(x.dtype, memory_format=torch.contiguous_format)


newton_schulz.stacks_up_to = LARGE * LARGE  # type: ignore[attr-defined]


def _scaled(X: Tensor, eps: float) -> Tensor:
    norm: Any = torch.linalg.matrix_norm(X, keepdim=True)
    return X / norm.clamp(min=eps)


def _quintic(X: Tensor, coefficients: Sequence[float], steps: int) -> Tensor:
    a, b, c = coefficients
    for _ in range(steps):
        A = symmetric_product(X)
        X = plus_product(a, X, 1.0, symmetric_product(A, b, A, c), X)
    return X


def _gram(X: Tensor, coefficients: Sequence[float], steps: int) -> Tensor:
    (a, b, c), wide = coefficients, X.float() if X.dtype.itemsize < 4 else X
    R, Q = symmetric_product(wide), torch.eye(X.size(-2), dtype=wide.dtype, device=X.device)
    for k in range(steps):
        P = a * torch.eye(X.size(-2), dtype=wide.dtype, device=X.device) + symmetric_product(R, b, R, c)
        Q = P @ Q if k else P
        R = P @ R @ P if k < steps - 1 else R
    return (Q @ wide).to(X.dtype)


def symmetric_product(X: Tensor, b: float = 0.0, M: Tensor | None = None, c: float = 1.0) -> Tensor:
    """``b·M + c·XXᵀ``, M symmetric. Of a large matrix on a CPU what lies above the panels' diagonal blocks is copied
    from below it: the same sums, in the same order."""
    n = X.size(-2)
    if X.dim() > 2 or n < LARGE or not X.is_cpu:
        return X @ X.transpose(-2, -1) if M is None else plus_product(b, M, c, X, X.transpose(-2, -1))
    A = X.new_empty(n, n)
    for start in range(0, n, PANEL):
        end, upto = start + PANEL, X[: start + PANEL].T
        rows = X[start:end] @ upto if M is None else plus_product(b, M[start:end, :end], c, X[start:end], upto)
        A[start:end, :end] = rows
        A[:start, start:end] = rows[:, :start].T
    return A


def plus_product(b: float, M: Tensor, c: float, X: Tensor, Y: Tensor) -> Tensor:
    """``b·M + c·XY``, rounded once; of stacks, for each pair of matrices."""
    if M.dim() == 2:
        return addmm(M, X, Y, beta=b, alpha=c)
    M3, X3, Y3 = (x.flatten(0, -3) for x in (M, X, Y))
    return baddbmm(M3, X3, Y3, beta=b, alpha=c).view_as(M)
