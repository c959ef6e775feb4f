"""Hyperball: the weights on the sphere of their first norm, steps of a share of it, whatever the rule."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import halflife
from halflife.regularizers import L2, Scaled, Sphere, Sum

from .users import give_gradients, train, weights

pytestmark = pytest.mark.usefixtures("double_precision")
RULES: dict[str, Any] = {
    "Adam": (halflife.AdamW, {}),
    "Muon": (halflife.Muon, {"ns_precision": "float64"}),
    "SGD": (halflife.SGD, {"momentum": 0.9}),
    "Lion": (halflife.Lion, {}),
}
HYPERBALL = {"lr": 0.1, "decay": "proximal", "regularizer": Sphere(), "direction": "normalized"}


def direction(x: torch.Tensor) -> torch.Tensor:
    """N(x) = x/‖x‖_F."""
    return x / x.norm()


@pytest.mark.parametrize("engine", ["eager", "foreach", None])
@pytest.mark.parametrize("rule", RULES)
def test_is_the_papers_line(rule: str, engine: Any) -> None:
    """W ← R·N(W − lr·R·N(u)), u from the same rule by itself."""
    kind, own = RULES[rule]
    generator = torch.Generator().manual_seed(0)
    W = torch.randn(4, 3, generator=generator)
    p, q, R = W.clone().requires_grad_(), W.clone().requires_grad_(), W.norm()
    ball = kind([p], weight_decay=0.0, engine=engine, **HYPERBALL, **own)
    alone = kind([q], lr=1.0, weight_decay=0.0, **own)
    for _ in range(6):
        g = torch.randn(4, 3, generator=generator)
        p.grad, q.grad, before = g, g.clone(), q.detach().clone()
        alone.step()
        ball.step()
        W = R * direction(W - 0.1 * R * direction(before - q.detach()))
        torch.testing.assert_close(p.detach(), W, rtol=1e-13, atol=1e-13)
    assert (W - p.detach()).norm() < 1e-12 < (q.detach() - W).norm()


def test_weight_decay_plays_no_part() -> None:
    paths = []
    for λ in (0.0, 0.5):
        paths.append(train(halflife.AdamW([weights()[0]], weight_decay=λ, **HYPERBALL)))
    assert torch.equal(*paths)


def test_rows_keep_their_norms_and_the_whole_keeps_its_own() -> None:
    for sphere, dim in ((Sphere(dim=1), 1), (Sphere(), (0, 1)), (Sum(Sphere(dim=0), Scaled(2.0, L2())), 0)):
        p, _ = weights()
        norms = torch.linalg.vector_norm(p.detach(), dim=dim)
        optimizer = halflife.AdamW([p], lr=0.1, decay="proximal", regularizer=sphere, weight_decay=0.1)
        before = p.detach().clone()
        train(optimizer)
        torch.testing.assert_close(torch.linalg.vector_norm(p.detach(), dim=dim), norms, rtol=1e-13, atol=0)
        assert (p.detach() - before).abs().max() > 0.01


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_radius_is_the_first_norm_and_does_not_drift(dtype: torch.dtype) -> None:
    p = torch.nn.Parameter(torch.randn(30, 20, dtype=torch.float32).to(dtype))
    R = p.detach().float().norm()
    optimizer = halflife.AdamW([p], weight_decay=0.0, rounding="stochastic", **HYPERBALL)
    train(optimizer, 50)
    assert float(optimizer.state[p]["anchor"]) == pytest.approx(float(R), rel=1e-6)
    assert float(p.detach().float().norm()) == pytest.approx(float(R), rel=5e-3 if dtype is torch.bfloat16 else 1e-5)
    with torch.no_grad():
        p.mul_(2)  # somebody's doing: the next step is back on the sphere
    give_gradients(optimizer, 7)
    optimizer.step()
    assert float(p.detach().float().norm()) == pytest.approx(float(R), rel=5e-3)


def test_a_checkpoint_keeps_the_radius() -> None:
    p, _ = weights()
    optimizer = halflife.AdamW([p], weight_decay=0.0, **HYPERBALL)
    train(optimizer, 2)
    q = torch.nn.Parameter(p.detach().clone())
    other = halflife.AdamW([q], weight_decay=0.0, **HYPERBALL)
    with torch.no_grad():
        q.mul_(3)
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["regularizer"] == Sphere()
    assert other.param_groups[0]["direction"] == "normalized"
    train(other, 1, seed=3), train(optimizer, 1, seed=3)
    assert float(q.detach().norm()) == pytest.approx(float(p.detach().norm()), rel=1e-12)
    broken = optimizer.state_dict()
    broken["state"][0]["radius"] = torch.ones(3)
    other.load_state_dict(broken)
    with pytest.raises(ValueError, match=r"'radius' of a parameter of .* must be a tensor of shape \(1, 1\)"):
        train(other, 1)


def test_no_norm_is_refused_by_name() -> None:
    zero = ("blocks.0.up", torch.zeros(3, 4, requires_grad=True))
    for settings in ({"regularizer": Sphere(), "decay": "proximal"}, {"direction": "normalized"}):
        with pytest.raises(ValueError, match=r"is 0; initialize it, .* It is blocks\.0\.up\.$"):
            halflife.AdamW([zero], weight_decay=0.0, **settings)
    row = torch.ones(3, 4)
    row[1] = 0
    halflife.AdamW([row.clone().requires_grad_()], weight_decay=0.0, regularizer=Sphere(), decay="proximal")
    with pytest.raises(ValueError, match=r"has 0 in it; .* It is number 0 of its group"):
        halflife.AdamW([row.requires_grad_()], weight_decay=0.0, regularizer=Sphere(dim=1), decay="proximal")
    with pytest.raises(ValueError, match="which has no gradient; these treatments work: 'proximal', 'proximal_lr'"):
        halflife.AdamW([torch.ones(3, requires_grad=True)], regularizer=Sphere())
    with pytest.raises(ValueError, match="no prox in closed form with a threshold for each coordinate"):
        halflife.Adam([torch.ones(3, requires_grad=True)], regularizer=Sphere(), decay="euclidean")
    with pytest.raises(ValueError, match="direction='unit' is not known"):
        halflife.AdamW([torch.ones(3, requires_grad=True)], direction="unit")
    later = halflife.AdamW([w := torch.ones(3, requires_grad=True)])
    later.param_groups[0]["direction"], w.grad = "unit", torch.ones(3)
    with pytest.raises(ValueError, match="direction='unit' is not known"):
        later.step()


def test_a_direction_of_nothing_moves_nothing() -> None:
    p = torch.nn.Parameter(torch.ones(2, 3))
    p.grad = torch.zeros(2, 3)
    halflife.SGD([p], weight_decay=0.0, **HYPERBALL).step()
    torch.testing.assert_close(p.detach(), torch.ones(2, 3))
