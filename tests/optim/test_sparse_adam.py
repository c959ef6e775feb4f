"""SparseAdam: Adam's equations on the rows that a gradient names, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import halflife


def by_hand(
    w: np.ndarray, gradients: list[dict[int, np.ndarray]], lr: float, β1: float, β2: float, ε: float
) -> np.ndarray:
    """Row by row, in plain numbers: a row that is not named stays, with both of its averages."""
    w, m, v = w.copy(), np.zeros_like(w), np.zeros_like(w)
    for t, named in enumerate(gradients, start=1):
        for row, g in named.items():
            m[row] = β1 * m[row] + (1 - β1) * g
            v[row] = β2 * v[row] + (1 - β2) * g**2
            w[row] -= lr * np.sqrt(1 - β2**t) / (1 - β1**t) * m[row] / (np.sqrt(v[row]) + ε)
    return w


def test_rows_that_are_named_follow_the_equations_and_the_others_stay() -> None:
    p = torch.nn.Parameter(torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3))
    before, gradients = p.detach().numpy().copy(), list[dict[int, np.ndarray]]()
    optimizer = halflife.SparseAdam([p], lr=0.1, betas=(0.8, 0.9), eps=1e-2)
    for rows in ([0, 2], [2], [2, 2, 0]):  # a row that is named twice counts once, with the sum
        values = torch.randn(len(rows), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(len(rows)))
        p.grad = torch.sparse_coo_tensor([rows], values, (4, 3), check_invariants=True)
        named: dict[int, np.ndarray] = {}
        for row, g in zip(rows, values.numpy(), strict=True):
            named[row] = named.get(row, 0) + g
        gradients.append(named)
        optimizer.step()
    expected = by_hand(before, gradients, 0.1, 0.8, 0.9, 1e-2)
    assert np.abs(p.detach().numpy() - expected).max() <= 1e-14
    assert np.array_equal(p.detach().numpy()[[1, 3]], before[[1, 3]])
    assert np.abs(expected - before)[[0, 2]].min() > 1e-3


def test_dense_gradients_and_decays_are_refused_and_nothing_moves() -> None:
    p = torch.nn.Parameter(torch.ones(3, 2))
    p.grad = torch.ones(3, 2)
    with pytest.raises(RuntimeError, match="SparseAdam does not support dense gradients"):
        halflife.SparseAdam([p]).step()
    p.grad = p.grad.to_sparse()
    for decay in ("coupled", "decoupled", "proximal"):
        with pytest.raises(RuntimeError, match=r"weight_decay .* is not compatible with sparse gradients"):
            halflife.SparseAdam([p], weight_decay=0.1, decay=decay).step()
    assert (p == 1).all()
