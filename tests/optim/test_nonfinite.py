"""NaN and infinity in gradients and weights go where torch lets them go."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import halflife

from .layouts import (
    each_engine,
    each_setting,
    noise,
    ours,
    random_gradients,
    train,
)

SPECIAL = torch.tensor([float("nan"), float("inf"), float("-inf"), 0.0, 1.0, -2.0, 1e80, 1e-80], dtype=torch.float64)
ORDINARY = torch.linspace(-1.5, 1.4, 8, dtype=torch.float64)


def finite_alike(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Finite at the same places, and equal there."""
    finite = a.isfinite()
    return bool((finite == b.isfinite()).all()) and torch.allclose(a[finite], b[finite], rtol=1e-10, atol=1e-12)


def alike(a: torch.Tensor, b: torch.Tensor) -> bool:
    """And NaN or the same infinity elsewhere."""
    return (
        finite_alike(a, b) and torch.allclose(a.nan_to_num(), b.nan_to_num(), rtol=1e-9) and a.isnan().equal(b.isnan())
    )


def specially(optimizer_class: Any, where: str, steps: int, **settings: Any) -> dict[str, torch.Tensor]:
    """The weights and states after steps with NaN, infinities and extremes in the weights or the gradients."""

    def grads(k: int, p: torch.Tensor) -> torch.Tensor:
        special = where == "gradient" or (where == "first gradient" and k == 0)
        return SPECIAL.clone() if special else ORDINARY * (1 + k)

    p = torch.nn.Parameter(SPECIAL.clone() if where == "weight" else ORDINARY.flip(0).clone())
    optimizer = optimizer_class([p, torch.nn.Parameter(ORDINARY.clone())], lr=0.1, **settings)
    return {"p": train(optimizer, grads, steps)[0], **optimizer.state[p]}


@each_setting
@each_engine
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("where", ["gradient", "weight", "first gradient"])
def test_special_numbers(name: str, flags: dict[str, Any], engine: Any, weight_decay: float, where: str) -> None:
    """As torch's single-tensor loop: its foreach loop makes some infinities NaN, and its lerp does from step 2."""
    settings = {**flags, "weight_decay": weight_decay} if name != "Rprop" else flags
    for steps, compare in ((1, alike), (3, finite_alike)):
        theirs = specially(getattr(torch.optim, name), where, steps, foreach=False, **settings)
        found = specially(ours(name), where, steps, **engine, **settings)
        assert found.keys() == theirs.keys()
        assert [key for key in found if not compare(theirs[key], found[key])] == []
        assert found["p"][0].isnan() or name == "Rprop"  # the sign of NaN is 0


@each_engine
def test_the_average_of_asgd_is_the_weights_until_t0(engine: dict[str, bool]) -> None:
    """Exactly, and again after an infinity is put right, as in torch's single-tensor loop."""
    params = [torch.nn.Parameter(noise((50,), i)) for i in range(2)]
    optimizer = halflife.ASGD(params, lr=0.1, **engine)
    for k in range(5):
        params[0].data[0] = float("inf") if k == 2 else 0.5  # put right by the user
        train(optimizer, random_gradients, steps=1)
        assert all((optimizer.state[p]["ax"] == p).all() for p in params)
