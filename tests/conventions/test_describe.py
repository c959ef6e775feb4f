"""What ``halflife.describe`` says of an optimizer, and warns of."""

from __future__ import annotations

from math import log, sqrt
from typing import Any

import pytest
import torch

import halflife
from halflife import HalfLife, describe
from halflife.conventions import convert

from .problem import BUILT, ours


def matrix(dtype: torch.dtype = torch.float64, *shape: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.ones(shape or (3, 3), dtype=dtype))


def only(optimizer: torch.optim.Optimizer, **told: Any) -> Any:
    (group,) = describe(optimizer, **told).groups
    return group


def test_a_half_life_comes_back() -> None:
    for decay in ("decoupled", "independent", "proximal", "proximal_lr", "corrected"):
        optimizer = halflife.AdamW([matrix()], lr=0.01, weight_decay=HalfLife(steps=1173), decay=decay)
        group = only(optimizer, steps_per_epoch=391)
        assert group.half_life == pytest.approx(1173)
        assert group.half_life_epochs == pytest.approx(3)


def test_every_convention() -> None:
    group = only(halflife.AdamW([matrix()], lr=1e-3, weight_decay=0.1), total_steps=100)
    assert group.removed == pytest.approx(1e-4)
    assert group.half_life == pytest.approx(-log(2) / log(1 - 1e-4))
    assert group.angle == pytest.approx(sqrt(2e-4))
    for name, λ in group.weight_decays.items():
        steps = 100 if name == "loshchilov-hutter" else None
        assert λ == pytest.approx(convert(0.1, "torch", name, lr=1e-3, steps=steps).weight_decay, rel=2e-4), name
    assert {"torch", "keras", "paper", "zhuang-prox", "loshchilov-hutter", "tensorflow-addons"} <= {
        *group.weight_decays
    }
    assert "loshchilov-hutter" not in only(halflife.AdamW([matrix()])).weight_decays, "it needs the steps"


@pytest.mark.parametrize("name", BUILT)
def test_of_a_conventions_own_optimizer_its_own_λ_comes_back(name: str) -> None:
    optimizer = ours(name)([matrix()])
    group = only(optimizer, total_steps=6)
    rule = halflife.conventions.find(name).rule
    if rule in ("adam", "lion") and halflife.conventions.find(name).amount == "plain":
        assert group.weight_decays[name] == pytest.approx(group.weight_decay)
    assert str(describe(optimizer)).startswith(type(optimizer).__name__)


def test_of_torchs_own_optimizers() -> None:
    assert only(torch.optim.AdamW([matrix()], lr=0.1, weight_decay=0.1)).removed == pytest.approx(0.01)
    assert only(torch.optim.SGD([matrix()], lr=0.1, weight_decay=0.1)).removed == pytest.approx(0.01), "no momentum"
    coupled = only(torch.optim.SGD([matrix()], lr=0.1, momentum=0.9, weight_decay=0.1))
    assert coupled.removed is None
    assert coupled.weight_decays == {"torch-sgd": 0.1}
    assert only(torch.optim.Adam([matrix()], weight_decay=0.1)).weight_decays == {"torch-adam": 0.1}
    assert "depends on the gradients" in str(describe(torch.optim.Adam([matrix()], weight_decay=0.1)))


def test_now_and_at_the_base() -> None:
    optimizer = halflife.AdamW([matrix()], lr=0.1, weight_decay=0.1, decay="independent")
    optimizer.param_groups[0]["lr"] = 0.05
    group = only(optimizer)
    assert (group.removed, group.removed_now) == (pytest.approx(0.1), pytest.approx(0.05))
    assert "0.05 now" in str(describe(optimizer))


def test_a_page() -> None:
    decayed, spared = {"params": [matrix()]}, {"params": [matrix(torch.float64, 3)], "weight_decay": 0.0}
    text = str(describe(halflife.AdamW([decayed, spared], lr=1e-3, weight_decay=0.1), steps_per_epoch=391))
    assert (
        "half-life 6931.13 steps (17.73 epochs); equilibrium angle 0.01414 rad (0.81°) a step, momentum aside" in text
    )
    assert "λ = 0.0001 " in text
    assert "group 1: decay explicit × lr, λ = 0, lr 0.001\n    no decay" in text
    assert "warning" not in text
    assert max(map(len, text.splitlines())) <= 110


CASES: dict[str, tuple[Any, dict[str, Any], str]] = {
    "a decay that rounds away": (
        lambda: halflife.AdamW([matrix(torch.bfloat16)], lr=1e-3, weight_decay=1e-2),
        {},
        "torch.bfloat16 rounds a factor of 0.99999 to 1",
    ),
    "norms and biases": (
        lambda: halflife.AdamW([matrix(), matrix(torch.float64, 3)]),
        {},
        "1 of its 2 parameters have one dimension or none",
    ),
    "too large a λ": (lambda: halflife.AdamW([matrix()], lr=0.1, weight_decay=20.0), {}, "removes 2 of each weight"),
    "a half-life beyond the run": (
        lambda: halflife.AdamW([matrix()], lr=1e-3, weight_decay=1e-2),
        {"total_steps": 10_000},
        "the half-life of 6.931e+04 steps is longer than the run of 10000",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_warnings(case: str) -> None:
    make, told, sentence = CASES[case]
    described = describe(make(), **told)
    (warning,) = described.warnings
    assert sentence in warning
    assert sentence in " ".join(str(described).split())


def test_warns_of_a_learning_rate_above_the_base() -> None:
    optimizer = halflife.ProxAdam([matrix()], lr=1e-4)
    optimizer.param_groups[0]["lr"] = 25e-4
    assert "lr is 25 times the 0.0001" in describe(optimizer).warnings[0]


def test_no_warnings_where_all_is_well() -> None:
    kept = halflife.AdamW([matrix(torch.bfloat16)], lr=1e-3, weight_decay=1e-2, rounding="kahan")
    assert describe(kept, total_steps=10**6).warnings == ()
    assert describe(halflife.AdamW([matrix(torch.float64, 3)], weight_decay=0.0), total_steps=5).warnings == ()


def test_without_weight_decay_it_says_so() -> None:
    with pytest.raises(ValueError, match="no weight_decay in parameter group 0"):
        describe(torch.optim.LBFGS([matrix()]))


def test_a_lion_that_keeps_its_first_lr_to_itself_is_not_known() -> None:
    """lion_pytorch's decoupled_weight_decay=True."""
    kind = type(
        "Lion", (torch.optim.Optimizer,), {"__module__": "lion_pytorch.lion_pytorch", "step": lambda self: None}
    )
    optimizer = kind([matrix()], {"lr": 0.1, "weight_decay": 0.1})
    optimizer.decoupled_wd = False
    assert only(optimizer).removed == pytest.approx(0.01)
    optimizer.decoupled_wd = True
    with pytest.raises(ValueError, match="makes a step of its own"):
        describe(optimizer)
