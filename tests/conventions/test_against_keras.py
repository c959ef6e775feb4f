"""Keras on the torch backend, by trajectory."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from .problem import BETAS, EPS, GRADS, LRS, W0, agrees, apart, ours, peer, λ, μ
from .problem import run as run_ours

pytestmark = pytest.mark.filterwarnings("ignore")
os.environ["KERAS_BACKEND"] = "torch"
keras = peer("keras")
keras.config.set_floatx("float64")
ADAM = {"learning_rate": LRS[0], "beta_1": BETAS[0], "beta_2": BETAS[1], "epsilon": EPS, "weight_decay": λ}
SGD = {"learning_rate": LRS[0], "momentum": μ, "weight_decay": λ}
LION = {"learning_rate": LRS[0], "beta_1": BETAS[0], "beta_2": BETAS[1], "weight_decay": λ}


def run(optimizer: Any, grads: Any = GRADS) -> np.ndarray:
    w, rows = keras.Variable(W0.copy(), dtype="float64"), []
    for g, lr in zip(grads, LRS, strict=True):
        optimizer.learning_rate = lr
        optimizer.apply([keras.ops.convert_to_tensor(g, dtype="float64")], [w])
        rows.append(keras.ops.convert_to_numpy(w.value).copy())
    return np.array(rows)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_adam_with_weight_decay_is_adamw(name: str) -> None:
    agrees("keras", run(getattr(keras.optimizers, name)(**ADAM)))


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_keeps_lr_inside_the_momentum(nesterov: bool) -> None:
    real = run(keras.optimizers.SGD(**SGD, nesterov=nesterov))
    agrees("keras-sgd", real, nesterov=nesterov)
    assert apart(run_ours(ours("timm-sgdw", nesterov=nesterov)), real) > 1e-2


def test_lion() -> None:
    agrees("keras-lion", run(keras.optimizers.Lion(**LION)))


def test_a_recipe_of_keras_runs_under_its_own_names() -> None:
    agrees("keras", run(keras.optimizers.AdamW(**ADAM)), **{k: v for k, v in ADAM.items() if k != "weight_decay"})


def test_trap_ftrl_does_not_decay_and_the_others_do() -> None:
    nothing = [np.zeros_like(W0)] * len(GRADS)
    shrunk = np.cumprod([1 - lr * λ for lr in LRS])
    for name in ("RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam"):
        left = run(getattr(keras.optimizers, name)(learning_rate=LRS[0], weight_decay=λ), nothing) / W0
        assert apart(left, shrunk[:, None]) <= 1e-12, name
    left = run(keras.optimizers.Ftrl(learning_rate=LRS[0], weight_decay=λ), nothing) / W0
    assert apart(left, shrunk[:, None]) > 0.1
