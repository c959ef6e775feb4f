"""timm, by trajectory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from halflife.conventions import describe

from .problem import ADAM, LION, LRS, SGD, agrees, left, peer, run, λ

pytestmark = pytest.mark.filterwarnings("ignore")
optim = peer("timm.optim")
CASES: dict[str, Callable[..., Any]] = {
    "timm": lambda p, **f: optim.AdamWLegacy(p, **ADAM, **f),
    "timm-corrected": lambda p, **f: optim.AdamWLegacy(p, **ADAM, corrected_weight_decay=True, **f),
    "timm-nadamw": lambda p, **f: optim.NAdamW(p, **ADAM, **f),
    "timm-sgdw": lambda p, **f: optim.SGDW(p, **SGD, **f),
    "timm-sgdw-corrected": lambda p, **f: optim.SGDW(p, **SGD, corrected_weight_decay=True, **f),
    "timm-lion": lambda p, **f: optim.Lion(p, **LION, **f),
}


@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_trajectory(name: str, foreach: bool) -> None:
    agrees(name, run(lambda p: CASES[name](p, foreach=foreach)))


def test_the_factory_of_adamw_gives_torchs() -> None:
    made = optim.create_optimizer_v2(torch.nn.Linear(2, 2), opt="adamw", lr=0.1)
    assert type(made).__module__.startswith("torch.optim")


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize(("kind", "settings"), [("AdamWLegacy", ADAM), ("SGDW", SGD), ("Lion", LION)])
def test_described_by_its_flag(kind: str, settings: dict[str, Any], corrected: bool) -> None:
    """What is said to be removed is what a step without a gradient removes, also in a schedule."""
    p = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = getattr(optim, kind)([p], **settings, corrected_weight_decay=corrected)
    for lr in (LRS[0], LRS[0] / 2):
        optimizer.param_groups[0]["lr"] = lr
        (group,) = describe(optimizer).groups
        assert group.removed_now == pytest.approx(1 - left(optimizer), rel=1e-5)
        assert group.removed_now == pytest.approx(lr * λ * (lr / LRS[0] if corrected else 1))
