# pyright: reportConstantRedefinition=false, reportUnknownMemberType=false, reportUnknownVariableType=false
"""The orthogonal factor of matrices, near enough, by products alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, addmm, baddbmm
from torch.overrides import handle_torch_function, has_torch_function_unary  # pyright: ignore

Form = Literal["quintic", "gram"]


def newton_schulz(x: Tensor, coefficients: Sequence[float], steps: int, eps: float, form: Form = "quintic") -> Tensor:
    """``UVᵀ`` of each matrix ``UΣVᵀ`` of x (…, A, B), its singular values brought near 1, in x's dtype.

    ::

        X = x/max(‖x‖_F, ε), transposed where A > B;      k times  A = XXᵀ,  X ← aX + (bA + cA²)X

    ``form="gram"`` makes the same iteration on the smaller side alone, in float32 at least, and multiplies X once::

        R = XXᵀ,  Q = 1;      k times  P = a + bR + cR²,  Q ← PQ,  R ← PRP;      X ← QX

    That is 4k + 2·B/A products of A × A matrices instead of (2·B/A + 1)k.
    Of many matrices of one shape, in a list or a stack, each product is one batched product.
    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/; Björck & Bowie 1971.
    """
    if has_torch_function_unary(x):  # many tensors, which an engine stacks
        return handle_torch_function(newton_schulz, (x,), x, coefficients, steps, eps, form)  # pyright: ignore
    tall = x.size(-2) > x.size(-1)
    X: Any = x.mT if tall else x
    X = X / torch.linalg.matrix_norm(X, keepdim=True).clamp(min=eps)
    X = (_gram if form == "gram" else _quintic)(X, coefficients, steps)
    return X.mT if tall else X


newton_schulz.takes_stacks = True  # type: ignore[attr-defined]


def _quintic(X: Tensor, coefficients: Sequence[float], steps: int) -> Tensor:
    a, b, c = coefficients
    for _ in range(steps):
        A = X @ X.mT
        X = plus_product(a, X, 1.0, plus_product(b, A, c, A, A), X)
    return X


def _gram(X: Tensor, coefficients: Sequence[float], steps: int) -> Tensor:
    a, b, c = coefficients
    wide = X.float() if X.dtype.itemsize < 4 else X
    R = wide @ wide.mT
    Q: Any = None
    for k in range(steps):
        P = plus_product(b, R, c, R, R)
        P.diagonal(dim1=-2, dim2=-1).add_(a)
        Q = P if Q is None else P @ Q
        R = P @ R @ P if k < steps - 1 else R
    return X if Q is None else (Q @ wide).to(X.dtype)


def plus_product(b: float, M: Tensor, c: float, X: Tensor, Y: Tensor) -> Tensor:
    """``b·M + c·XY``, rounded once; of stacks, for each pair of matrices."""
    if M.dim() == 2:
        return addmm(M, X, Y, beta=b, alpha=c)
    M3, X3, Y3 = (x.flatten(0, -3) for x in (M, X, Y))
    return baddbmm(M3, X3, Y3, beta=b, alpha=c).view_as(M)
