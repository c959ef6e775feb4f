"""SPEC §4.4, 6, 7, 8: what the papers claim of decoupled and proximal decay, in numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import halflife

Gradient = Callable[[torch.Tensor], torch.Tensor]


def quadratic(scale: float = 1.0) -> Gradient:
    """The gradient of ``scale·½(w−b)ᵀA(w−b)``, badly conditioned."""
    generator = torch.Generator().manual_seed(0)
    q, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64))
    A = q @ torch.diag(torch.logspace(-2, 1, 6, dtype=torch.float64)) @ q.T
    b = torch.randn(6, generator=generator, dtype=torch.float64)
    return lambda w: scale * (A @ (w - b))


def iterate(make: Callable[..., Any], gradient: Gradient, steps: int = 60, **settings: Any) -> torch.Tensor:
    w = torch.linspace(-1, 1, 6, dtype=torch.float64).requires_grad_()
    optimizer = make([w], **settings)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2 * steps)
    for _ in range(steps):
        w.grad = gradient(w.detach())
        optimizer.step()
        scheduler.step()
    return w.detach()


def gap(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


def test_sgd_l2_is_decoupled_decay_with_lambda_over_alpha() -> None:
    """§4.6: L2 with λ' = λ/α is the paper's decay λ for SGD without momentum."""
    α, λ, f = 0.05, 0.02, quadratic()
    decoupled = iterate(halflife.SGD, f, lr=α, weight_decay=λ, decay="independent")
    coupled = iterate(halflife.SGD, f, lr=α, weight_decay=λ / α)
    assert gap(decoupled, coupled) <= 1e-14
    assert gap(decoupled, iterate(halflife.SGD, f, lr=α)) > 0.1


def test_adam_l2_is_not() -> None:
    α, λ, f = 0.05, 0.02, quadratic()
    assert (
        gap(
            iterate(halflife.Adam, f, lr=α, weight_decay=λ, decay="independent"),
            iterate(halflife.AdamL2, f, lr=α, weight_decay=λ / α),
        )
        > 0.05
    )


def test_adamw_and_proxadam_agree_to_first_order() -> None:
    """§4.7: halving λ quarters the difference of one step (the step itself made tiny: the prox shrinks it too)."""
    f = quadratic()

    def difference(λ: float) -> float:
        tiny = {"lr": 1e-9, "weight_decay": λ}  # so that the prox acts on w itself
        one = iterate(halflife.AdamW, f, steps=1, decay="independent", **tiny)
        return gap(one, iterate(halflife.ProxAdam, f, steps=1, **tiny))

    for λ in (0.1, 0.05, 0.025):
        assert difference(λ) == pytest.approx(λ**2 / (1 + λ), rel=1e-6)
        assert difference(λ) / difference(λ / 2) == pytest.approx(4, rel=0.06)


def test_over_a_run_proxadam_stays_close_to_adamw_and_far_from_adam() -> None:
    f, settings = quadratic(), {"lr": 1e-3, "weight_decay": 1e-3}
    adamw = iterate(halflife.AdamW, f, decay="independent", **settings)
    proxadam = iterate(halflife.ProxAdam, f, **settings)
    adam = iterate(halflife.Adam, f, lr=1e-3)
    assert gap(adamw, proxadam) <= 60 * 2 * 1e-3 * 1e-3  # λ(λ|w| + α|u|) a step: the prox shrinks the step as well
    assert gap(adamw, adam) >= 100 * gap(adamw, proxadam)


@pytest.mark.parametrize("c", [10.0, 100.0])
@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (halflife.Adam, {}),
        (halflife.AdamW, {"weight_decay": 0.5}),
        (halflife.AdamW, {"weight_decay": 0.02, "decay": "independent"}),
        (halflife.ProxAdam, {"weight_decay": 0.02}),
        (halflife.ProxAdam, {"weight_decay": 0.02, "regularizer": halflife.regularizers.L1()}),
    ],
)
def test_scale_free(make: Callable[..., Any], settings: dict[str, Any], c: float) -> None:
    """§4.8: at ε = 0, multiplying the loss by c changes no iterate."""
    run = [iterate(make, quadratic(scale), lr=0.03, eps=0.0, **settings) for scale in (1.0, c)]
    assert gap(*run) <= 1e-11
    if settings:
        assert gap(run[0], iterate(halflife.Adam, quadratic(), lr=0.03, eps=0.0)) > 0.01


@pytest.mark.parametrize("c", [10.0, 100.0])
@pytest.mark.parametrize("make", [halflife.AdamP, halflife.AdamL2])
def test_not_scale_free_until_lambda_is_scaled_too(make: Callable[..., Any], c: float) -> None:
    """§4.8: AdamP and AdamL2 change with c; after λ → cλ they do not (AdamL2's gradient is then c(g+λw))."""
    plain = iterate(make, quadratic(), lr=0.03, eps=0.0, weight_decay=0.3)
    assert gap(plain, iterate(make, quadratic(c), lr=0.03, eps=0.0, weight_decay=0.3)) > 0.01
    assert gap(plain, iterate(make, quadratic(c), lr=0.03, eps=0.0, weight_decay=0.3 * c)) <= 1e-11


def test_proxsgd_finds_the_lasso_solution() -> None:
    """§4.4: w ← prox_{αφ}(w − α∇f) converges to the minimiser of f + λ‖w‖₁: its optimality conditions hold."""
    f, λ = quadratic(), 0.5
    w = torch.linspace(-1, 1, 6, dtype=torch.float64).requires_grad_()
    optimizer = halflife.ProxSGD([w], lr=0.09, weight_decay=λ, regularizer=halflife.regularizers.L1())
    for _ in range(20_000):
        w.grad = f(w.detach())
        optimizer.step()
    g, x = f(w.detach()), w.detach()
    assert 0 < int((x == 0).sum()) < 6
    assert gap(g[x != 0], -λ * x[x != 0].sign()) <= 1e-9
    assert float(g[x == 0].abs().max()) <= λ + 1e-9


@pytest.mark.parametrize("treatment", ["proximal", "euclidean"])
def test_each_prox_solves_its_own_problem(treatment: str) -> None:
    """SPEC §2, the proximal reading: each step is the argmin of its own model, in the D-norm."""
    α, λ, η = 0.03, 0.4, 1.0
    w = torch.linspace(-1, 1, 6, dtype=torch.float64)
    g = quadratic()(w)
    D = g.abs() + 1e-8  # Adam's metric at the first step
    p = w.clone().requires_grad_()
    optimizer = halflife.Adam([p], lr=α, weight_decay=λ, decay=treatment)
    p.grad = g
    optimizer.step()
    y = p.detach().clone().requires_grad_()
    weight = (λ / α) * D if treatment == "proximal" else λ * torch.ones_like(D)
    model = ((y - w) * g).sum() + (weight * 0.5 * y**2).sum() + ((y - w) ** 2 * D).sum() / (2 * α * η)
    model.backward()
    assert float(y.grad.abs().max()) <= 1e-9 * float(weight.max())
