"""TensorFlow Addons 0.23, by the trajectories it once walked: it installs beside old TensorFlow alone.

Kept in tensorflow_addons.json, from AdamW and SGDW on tf_keras in float64; their hyper-parameters are float32.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from halflife.conventions import convert, find, from_keras

from .problem import BETAS, EPS, GRADS, LRS, STEPS, agrees, apart, ours, run, set_lr, λ

KEPT = json.loads(Path(__file__).with_name("tensorflow_addons.json").read_text(encoding="utf-8"))
REAL = {n: np.array(r) for n, r in KEPT.items() if not n.endswith("_halfway")}
REAL_STATE = {kind: KEPT[f"{kind}_variables_halfway"] for kind in ("adamw", "sgdw")}
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


@pytest.mark.parametrize(("kind", "name"), [("adamw", "tensorflow-addons"), ("sgdw", "tensorflow-addons-sgdw")])
def test_its_state_halfway_is_gone_on_from(kind: str, name: str) -> None:
    saved = [SimpleNamespace(name=n, numpy=lambda x=x: np.array(x)) for n, x in REAL_STATE[kind]]
    half, off = STEPS // 2, []
    for with_state in (True, False):
        p = torch.nn.Parameter(torch.tensor(REAL[kind][half - 1]))
        optimizer = ours(name)([p])
        if with_state:
            theirs = SimpleNamespace(variables=lambda: saved)
            optimizer.load_state_dict(from_keras(theirs, optimizer, lambda arrays: arrays))
        for g, lr in zip(GRADS[half:], LRS[half:], strict=True):
            p.grad = torch.tensor(g)
            set_lr(optimizer, lr)
            optimizer.step()
        off.append(apart(p.detach().numpy(), REAL[kind][-1]))
    assert off[0] <= HYPER_FLOAT32
    assert off[1] > 1e3 * HYPER_FLOAT32
