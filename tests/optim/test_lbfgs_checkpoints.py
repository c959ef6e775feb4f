"""LBFGS beside torch's own, on a loss with the penalty written into it; checkpoints there and back."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch

import halflife
from halflife import regularizers

SETTINGS: list[dict[str, Any]] = [
    {"max_iter": 4},
    {"max_iter": 4, "line_search_fn": "strong_wolfe", "history_size": 3},
    {"lr": 0.3, "max_iter": 2, "history_size": 2},
]
LAM = 0.3


def params() -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(s, generator=generator, dtype=torch.float64)) for s in ((3, 4), (5,))]


def train(optimizer: torch.optim.Optimizer, weights: list[torch.nn.Parameter], steps: int, lam: float) -> list[float]:
    """Σ i·wᵢ²/2 + Σ wᵢ⁴/4, and λ/2·Σ w² where the optimizer has no decay of its own; the losses that steps return."""

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        w = torch.cat([p.flatten() for p in weights])
        loss = (torch.arange(1.0, len(w) + 1, dtype=w.dtype) * w**2).sum() / 2 + (w**4).sum() / 4
        loss = loss + lam / 2 * (w**2).sum()
        loss.backward()
        return loss

    return [optimizer.step(closure).detach().item() for _ in range(steps)]  # type: ignore[arg-type]


def through_a_file(state_dict: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state_dict, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def apart(a: list[torch.nn.Parameter], b: list[torch.nn.Parameter]) -> float:
    return max(float((x - y).detach().abs().max()) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("direction", ["from torch", "to torch", "ours"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_crosses_over_and_goes_on_with_the_same_numbers(settings: dict[str, Any], direction: str) -> None:
    a, b = params(), params()
    control = torch.optim.LBFGS(b, **settings)
    first = torch.optim.LBFGS if direction == "from torch" else halflife.LBFGS
    second = torch.optim.LBFGS if direction == "to torch" else halflife.LBFGS
    before = first(a, **settings, **({"weight_decay": LAM} if first is halflife.LBFGS else {}))
    losses = train(before, a, 2, LAM if first is torch.optim.LBFGS else 0.0), train(control, b, 2, LAM)
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    after = second(a, **({"weight_decay": LAM} if second is halflife.LBFGS else {}))
    after.load_state_dict(through_a_file(before.state_dict()))
    moved = [p.detach().clone() for p in a]
    train(after, a, 2, LAM if second is torch.optim.LBFGS else 0.0)
    train(control, b, 2, LAM)
    assert apart(a, b) <= 1e-10
    assert apart(a, moved) > 1e-6  # type: ignore[arg-type]


def test_the_decay_of_the_checkpoint_is_the_one_that_goes_on() -> None:
    """As in all optimizers here: settings come out of the dict; torch's has no λ, and then the constructor's holds."""
    weights = params()
    saved = halflife.LBFGS(weights, weight_decay=LAM, max_iter=2)
    train(saved, weights, 1, 0.0)
    loaded = halflife.LBFGS(weights, weight_decay=0.1)
    loaded.load_state_dict(through_a_file(saved.state_dict()))
    assert (loaded.param_groups[0]["weight_decay"], loaded.param_groups[0]["max_iter"]) == (LAM, 2)


def test_resumed_toward_init_has_its_anchor() -> None:
    a, b = params(), params()
    make = {"weight_decay": LAM, "regularizer": regularizers.TowardInit(), "max_iter": 3}
    undisturbed, interrupted = halflife.LBFGS(a, **make), halflife.LBFGS(b, **make)
    for optimizer, weights in ((undisturbed, a), (interrupted, b)):
        train(optimizer, weights, 1, 0.0)
    resumed = halflife.LBFGS(b, **make)
    resumed.load_state_dict(through_a_file(interrupted.state_dict()))
    for optimizer, weights in ((undisturbed, a), (resumed, b)):
        train(optimizer, weights, 2, 0.0)
    assert apart(a, b) <= 1e-12
    assert apart(a, params()) > 0.1
