"""Muon: torch's numbers bit for bit, the iteration beside float64, matrices of one shape together and by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import halflife
from halflife import rules
from halflife.rules.newton_schulz import LARGE, newton_schulz, symmetric_product

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
SHAPES = [(16, 16), (16, 16), (8, 24), (24, 8), (8, 24), (1, 5), (300, 280)]
Matrices = list[torch.Tensor]
beside_torch = pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")


def train(
    kind: Any, shapes: Any = SHAPES, steps: int = 4, dtype: torch.dtype = torch.float32, **settings: Any
) -> Matrices:
    generator = torch.Generator().manual_seed(0)
    params = [torch.nn.Parameter(torch.randn(s, generator=generator).to(dtype)) for s in shapes]
    optimizer = kind(params, lr=0.02, **settings)
    for _ in range(steps):
        for p in params:
            p.grad = torch.randn(p.shape, generator=generator).to(dtype)
        optimizer.step()
    return [p.detach() for p in params]


def iteration(x: torch.Tensor, steps: int = 5, eps: float = 1e-7) -> np.ndarray:
    """The iteration written out in float64."""
    v = x.double().numpy()
    X = v.T if v.shape[0] > v.shape[1] else v
    X = X / max(np.sqrt((X**2).sum()), eps)
    a, b, c = COEFFICIENTS
    for _ in range(steps):
        A = X @ X.T
        X = a * X + (b * A + c * A @ A) @ X
    return X.T if v.shape[0] > v.shape[1] else X


def gaussian(rows: int, columns: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def low_rank(rows: int, columns: int, rank: int = 3) -> torch.Tensor:
    return gaussian(rows, rank) @ gaussian(rank, columns, 2) + 1e-4 * gaussian(rows, columns, 3)


@beside_torch
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"nesterov": False, "momentum": 0.8},
        {"adjust_lr_fn": "match_rms_adamw", "weight_decay": 0.5},
        {"ns_steps": 3, "ns_coefficients": (2.0, -1.5, 0.5)},
        {"weight_decay": 0.0, "eps": 100.0},
    ],
    ids=str,
)
def test_every_bit_is_torchs(settings: dict[str, Any]) -> None:
    """The decay by the unadjusted lr among them; torch multiplies lr by ρ first, which may round otherwise."""
    theirs, ours = (train(kind, **settings) for kind in (torch.optim.Muon, halflife.Muon))
    for a, b in zip(theirs, ours, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-7 * float(a.abs().max()))
    if not settings:
        assert all(map(torch.equal, theirs[:3], ours[:3]))


@beside_torch
def test_half_precision_follows_torch() -> None:
    """Ours computes in float32 and rounds once, torch at every operation."""
    theirs, ours = (train(kind, SHAPES[:5], dtype=torch.bfloat16) for kind in (torch.optim.Muon, halflife.Muon))
    for a, b in zip(theirs, ours, strict=True):
        assert (a - b).abs().max() <= 0.0625


@pytest.mark.parametrize("make", [gaussian, low_rank])
@pytest.mark.parametrize("shape", [(40, 40), (24, 96), (96, 24), (300, 280)])
@pytest.mark.parametrize("form", ["quintic", "gram"])
def test_float32_is_the_iteration(make: Any, shape: tuple[int, int], form: Any) -> None:
    x = make(*shape)
    expected = iteration(x)
    found = newton_schulz(x, COEFFICIENTS, 5, 1e-7, "float32", form).double().numpy()
    assert np.abs(found - expected).max() <= (1e-5 if form == "quintic" else 1e-4)
    in_double = newton_schulz(x.double(), COEFFICIENTS, 5, 1e-7, "float64", form).numpy()
    assert np.abs(in_double - expected).max() <= 1e-12


@beside_torch
@pytest.mark.parametrize("make", [gaussian, low_rank])
@pytest.mark.parametrize("shape", [(40, 40), (24, 96), (96, 24), (300, 280), (64, 1024)])
def test_in_bfloat16_the_gram_form_is_no_farther_off_than_torch(make: Any, shape: tuple[int, int]) -> None:
    from torch.optim._muon import _zeropower_via_newtonschulz as torchs

    x = make(*shape)
    expected = torch.from_numpy(iteration(x))
    theirs = torchs(x, COEFFICIENTS, 5, 1e-7)
    assert newton_schulz(x, COEFFICIENTS, 5, 1e-7, "bfloat16").equal(theirs)
    gram = newton_schulz(x, COEFFICIENTS, 5, 1e-7, "bfloat16", "gram")
    assert 0 < gram.double().sub(expected).norm() <= 1.1 * theirs.double().sub(expected).norm()


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
@pytest.mark.parametrize("shape", [(16, 16), (8, 24), (64, 32), (128, 128)])
def test_a_stack_has_the_bits_of_its_matrices(shape: tuple[int, int], precision: Any) -> None:
    matrices = [gaussian(*shape, seed=k) for k in range(5)]
    each = [newton_schulz(m, COEFFICIENTS, 5, 1e-7, precision) for m in matrices]
    together = newton_schulz(torch.stack(matrices), COEFFICIENTS, 5, 1e-7, precision)
    assert torch.equal(torch.stack(each), together)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("columns", [LARGE, 3 * LARGE])
def test_halves_of_a_symmetric_product_are_the_whole(columns: int, dtype: torch.dtype) -> None:
    for rows in (LARGE - 1, LARGE, 2 * LARGE + 3):
        X = gaussian(rows, columns).to(dtype) / 30
        A = symmetric_product(X)
        assert torch.equal(A, A.T)
        torch.testing.assert_close(A, X @ X.T, rtol=0.01 if dtype is torch.bfloat16 else 1e-5, atol=1e-5)
        both = symmetric_product(A, -4.0, A, 2.0)
        plain = torch.addmm(A, A, A, beta=-4.0, alpha=2.0)
        torch.testing.assert_close(both, plain, rtol=0.01 if dtype is torch.bfloat16 else 1e-5, atol=1e-4)


def test_eager_and_foreach_have_the_same_bits() -> None:
    for settings in ({}, {"decay": "proximal"}, {"adjust_lr_fn": "match_rms_adamw", "decay": "cautious"}):
        one, many = (train(halflife.Muon, engine=engine, **settings) for engine in ("eager", "foreach"))
        assert all(map(torch.equal, one, many))


@beside_torch
def test_convolutions_are_flattened_and_stacks_are_not() -> None:
    conv, stack = (6, 4, 3, 3), (5, 6, 4)
    flattened, stacked = (
        train(halflife.Muon, [s], matrices=m)[0] for s, m in ((conv, "flattened"), (stack, "stacked"))
    )
    generator = torch.Generator().manual_seed(0)
    for shape, found, views in ((conv, flattened, [slice(None)]), (stack, stacked, range(5))):
        generator.manual_seed(0)
        w = torch.randn(shape, generator=generator)
        grads = [torch.randn(shape, generator=generator) for _ in range(4)]
        for k in views:
            as_matrix = [x[k].flatten(1) for x in (w, *grads)]
            p = torch.nn.Parameter(as_matrix[0].clone())
            control = torch.optim.Muon([p], lr=0.02)
            for g in as_matrix[1:]:
                p.grad = g
                control.step()
            torch.testing.assert_close(p.detach(), found[k].flatten(1), rtol=1e-6, atol=1e-6)


def test_what_it_refuses() -> None:
    for shape, more in (((5,), "another rule"), ((2, 3, 4), "matrices='flattened'"), ((2, 3, 4, 5), "'stacked'")):
        with pytest.raises(ValueError, match=rf"(?s)Muon only supports 2D.*{more}"):
            halflife.Muon([torch.zeros(shape)])
    with pytest.raises(ValueError, match="less than 100"):
        halflife.Muon([torch.zeros(2, 2)], ns_steps=100)
    with pytest.raises(ValueError, match="3 numbers"):
        halflife.Muon([torch.zeros(2, 2)], ns_coefficients=(1.0, 2.0))
    with pytest.raises(ValueError, match=r"adjust_lr_fn|not supported"):
        halflife.Muon([torch.zeros(2, 2)], adjust_lr_fn="fastest")
    for word in ("adjust_lr_fn", "ns_form", "ns_precision", "matrices"):
        with pytest.raises(ValueError, match=f"{word}='fastest' is not known; choose "):
            halflife.Muon([{"params": [torch.zeros(2, 2)], word: "fastest"}])
        later = halflife.Muon([w := torch.ones(2, 2, requires_grad=True)])
        later.param_groups[0][word], w.grad = "fastest", torch.ones(2, 2)
        with pytest.raises(ValueError, match=f"{word}='fastest' is not known"):
            later.step()
    with pytest.raises(ValueError, match="no diagonal metric"):
        halflife.Muon([torch.zeros(2, 2)], decay="euclidean")
    optimizer = halflife.Muon([p := torch.zeros(2, 2, requires_grad=True)])
    p.grad = torch.ones(2, 2).to_sparse()
    with pytest.raises(RuntimeError, match="Muon does not support sparse gradients"):
        optimizer.step()


@pytest.mark.parametrize(("scale", "ρ"), [("original", 2.0), ("match_rms_adamw", 0.8), ("spectral_unclamped", 2.0)])
def test_the_scales(scale: Any, ρ: float) -> None:
    assert rules.Muon(scale=scale).ρ(torch.Size([16, 4])) == pytest.approx(ρ)
    wide = {"original": 1.0, "match_rms_adamw": 0.8, "spectral_unclamped": 0.5}
    assert rules.Muon(scale=scale).ρ(torch.Size([4, 16])) == pytest.approx(wide[scale])


def test_a_decay_moves_the_weights_by_the_unadjusted_rate() -> None:
    p = torch.nn.Parameter(torch.ones(16, 4))
    p.grad = torch.zeros(16, 4)
    halflife.Muon([p], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(p.detach(), torch.full((16, 4), 0.95))
