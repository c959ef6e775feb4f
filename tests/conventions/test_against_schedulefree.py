"""Schedule-free AdamW: nothing converts to it, and why, by trajectory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from halflife.conventions import convert

from .problem import ADAM, BETAS, BUILT, EPS, GRADS, LRS, W0, apart, find, ours, peer, run, λ

pytestmark = pytest.mark.filterwarnings("ignore")
schedulefree = peer("schedulefree")


def trained(p: Any) -> Any:
    optimizer = schedulefree.AdamWScheduleFree(p, **ADAM)
    optimizer.train()
    return optimizer


def formula() -> np.ndarray:
    """d = g/(√v̂ + ε) + λy; y ← (1−c)y + cz + lr(β₁(1−c) − 1)d; z ← z − lr·d."""
    (β1, β2), y, z = BETAS, W0.copy(), W0.copy()
    v, weights, highest, rows = 0.0, 0.0, -1.0, []
    for t, (g, lr) in enumerate(zip(GRADS, LRS, strict=True), 1):
        highest = max(highest, lr)
        weights += highest**2
        c = highest**2 / weights
        v = β2 * v + (1 - β2) * g * g
        d = g / (np.sqrt(v / (1 - β2**t)) + EPS) + λ * y
        y = (1 - c) * y + c * z + lr * (β1 * (1 - c) - 1) * d
        z = z - lr * d
        rows.append(y.copy())
    return np.array(rows)


def test_the_decay_stands_in_the_normalized_gradient_of_y() -> None:
    assert apart(run(trained), formula()) <= 1e-12


def test_no_convention_walks_with_it_and_convert_says_so() -> None:
    real = run(trained)
    assert min(apart(run(ours(name)), real) for name in BUILT if find(name).rule == "adam") > 1e-2
    assert convert(0.1, "schedule-free", "torch").verdict == "impossible"
    assert convert(0.1, "torch", "schedule-free").verdict == "impossible"
