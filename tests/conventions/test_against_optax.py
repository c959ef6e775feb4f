"""Optax, and the chain of AXLearn in it, by trajectory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from .problem import BETAS, EPS, GRADS, LRS, STEPS, W0, agrees, peer, λ, μ

pytestmark = pytest.mark.filterwarnings("ignore")
jax, optax = peer("jax"), peer("optax")
jax.config.update("jax_enable_x64", True)
B1, B2 = BETAS
ADAM = {"b1": B1, "b2": B2, "eps": EPS, "weight_decay": λ}


def lr(count: Any) -> Any:
    return jax.numpy.asarray(LRS)[jax.numpy.minimum(count, STEPS - 1)]


def run(transformation: Any) -> np.ndarray:
    w, rows = jax.numpy.asarray(W0), []
    state = transformation.init(w)
    for g in GRADS:
        updates, state = transformation.update(jax.numpy.asarray(g), state, w)
        w = optax.apply_updates(w, updates)
        rows.append(np.asarray(w))
    return np.array(rows)


CASES: dict[str, Callable[[], Any]] = {
    "optax": lambda: optax.adamw(lr, **ADAM),
    "optax-nadamw": lambda: optax.nadamw(lr, **ADAM),
    "optax-lion": lambda: optax.lion(lr, b1=B1, b2=B2, weight_decay=λ),
    "optax-sgdw": lambda: optax.chain(optax.trace(μ), optax.add_decayed_weights(λ), optax.scale_by_learning_rate(lr)),
    "torch-sgd": lambda: optax.chain(optax.add_decayed_weights(λ), optax.sgd(lr, momentum=μ)),
    "axlearn": lambda: optax.chain(
        optax.scale_by_adam(b1=B1, b2=B2, eps=EPS),
        optax.scale(LRS[0]),
        optax.add_decayed_weights(λ),
        optax.scale_by_schedule(lambda count: lr(count) / LRS[0]),
        optax.scale(-1.0),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_trajectory(name: str) -> None:
    agrees(name, run(CASES[name]()))


def test_a_schedule_of_lambda_over_alpha_is_the_papers_form() -> None:
    agrees("paper", run(optax.adamw(lr, **{**ADAM, "weight_decay": lambda count: λ / LRS[0]})))
