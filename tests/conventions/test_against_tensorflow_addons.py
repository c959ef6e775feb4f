"""TensorFlow Addons 0.23, by the trajectories it once walked: it installs beside old TensorFlow alone.

Kept in tensorflow_addons.json, from AdamW and SGDW on tf_keras in float64; their hyper-parameters are float32.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from halflife.conventions import convert, find

from .problem import BETAS, EPS, LRS, agrees, apart, ours, run, λ

REAL = {
    n: np.array(r)
    for n, r in json.loads(Path(__file__).with_name("tensorflow_addons.json").read_text(encoding="utf-8")).items()
}
HYPER_FLOAT32 = 2e-7


def off(name: str, real: str, **settings: object) -> float:
    return apart(run(ours(name, **settings)), REAL[real])


def test_lr_never_enters_the_decay() -> None:
    assert off("tensorflow-addons", "adamw") <= HYPER_FLOAT32
    assert off("tensorflow-addons-sgdw", "sgdw") <= HYPER_FLOAT32
    assert off("paper", "adamw") > 1e-2
    agrees("tensorflow-addons", REAL["adamw"], 1e-6)


def test_weight_decay_scheduled_by_hand_is_the_papers_form() -> None:
    def by_hand(optimizer: object, k: int) -> None:
        optimizer.param_groups[0]["weight_decay"] = λ * LRS[k] / LRS[0]  # type: ignore[attr-defined]

    walked = run(ours("tensorflow-addons"), before=by_hand)
    assert apart(walked, REAL["adamw_scheduled_by_hand"]) <= HYPER_FLOAT32
    assert off("loshchilov-hutter-dec", "adamw_scheduled_by_hand") <= HYPER_FLOAT32


def test_callables_of_the_step_as_there() -> None:
    callables = {"learning_rate": LRS.__getitem__, "weight_decay": lambda k: λ * LRS[k] / LRS[0]}
    names = {"beta_1": BETAS[0], "beta_2": BETAS[1], "epsilon": EPS}
    walked = run(lambda p: find("tensorflow-addons").optimizer(p, **callables, **names))
    assert apart(walked, REAL["adamw_callables"]) <= HYPER_FLOAT32


def test_a_recipe_of_torch_converts_to_callables_exactly() -> None:
    result = convert(
        λ, "loshchilov-hutter-dec", "tf", lr=LRS[0], betas=BETAS, eps=EPS, schedule=lambda k: LRS[k] / LRS[0], steps=6
    )
    assert result.verdict == "approximate"
    assert result.exact_at_each_step
    callables = {"lr": lambda k: result.at(k).lr, "weight_decay": lambda k: result.at(k).weight_decay}
    walked = run(lambda p: result.target.optimizer(p, **callables, betas=BETAS, eps=result.eps))
    assert apart(walked, REAL["adamw_callables"]) <= HYPER_FLOAT32
