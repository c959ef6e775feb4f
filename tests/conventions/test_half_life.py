"""A half-life is a half-life under every decay that has one, and the others say that they have none."""

from __future__ import annotations

from copy import deepcopy
from itertools import product
from typing import Any

import pytest
import torch

import halflife
from halflife import HalfLife, Normalized, Timescale
from halflife.decays import Decay
from halflife.regularizers import L1, Huber, OnSubset, TowardInit

SHARES = [*product(("explicit", "implicit"), ("lr", "schedule", "lr*schedule", "one"))]
H = 60


def one() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.ones(2, dtype=torch.float64))


def left_after(optimizer: torch.optim.Optimizer, steps: int, group: int = 0) -> float:
    (p,) = optimizer.param_groups[group]["params"]
    for _ in range(steps):
        p.grad = torch.zeros_like(p)
        optimizer.step()
    return float(p[0].detach())


@pytest.mark.parametrize("lr", [0.1, torch.tensor(0.1, dtype=torch.float64)], ids=["number", "tensor"])
@pytest.mark.parametrize("cell", SHARES, ids=str)
def test_a_half_is_left(cell: tuple[str, str], lr: Any) -> None:
    optimizer = halflife.AdamW([one()], lr=lr, weight_decay=HalfLife(steps=H), decay=Decay(*cell))
    assert left_after(optimizer, H) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("cell", SHARES, ids=str)
def test_a_timescale_leaves_one_in_e(cell: tuple[str, str]) -> None:
    optimizer = halflife.SGD([one()], lr=0.1, weight_decay=Timescale(steps=1000), decay=Decay(*cell))
    assert left_after(optimizer, 1000) == pytest.approx((1 - 1e-3) ** 1000, abs=1e-12)


def test_the_formulas() -> None:
    λ = {
        cell: halflife.SGD([one()], lr=0.1, weight_decay=HalfLife(steps=H), decay=Decay(*cell)).param_groups[0][
            "weight_decay"
        ]
        for cell in SHARES
    }
    assert λ["explicit", "schedule"] == pytest.approx(1 - 2 ** (-1 / H), rel=1e-13)
    assert λ["explicit", "lr"] == pytest.approx((1 - 2 ** (-1 / H)) / 0.1, rel=1e-13)
    assert λ["implicit", "schedule"] == pytest.approx(2 ** (1 / H) - 1, rel=1e-12)


def test_said_in_epochs_or_tokens() -> None:
    assert HalfLife(epochs=3, steps_per_epoch=391).in_steps == 1173
    assert HalfLife(tokens=3e9, tokens_per_step=5e5).fraction == pytest.approx(HalfLife(steps=6000).fraction)
    assert repr(Timescale(epochs=3, steps_per_epoch=391)) == "Timescale(epochs=3, steps_per_epoch=391)"


def test_every_group_has_its_own() -> None:
    groups = [
        {"params": [one()]},
        {"params": [one()], "lr": 1e-3},
        {"params": [one()], "lr": 0.5, "decay": "proximal"},
        {"params": [one()], "weight_decay": HalfLife(steps=H // 2)},
        {"params": [one()], "weight_decay": 0.0},
    ]
    optimizer = halflife.AdamW(groups, lr=0.1, weight_decay=HalfLife(steps=H))
    optimizer.add_param_group({"params": [one()], "lr": 0.2})
    left = [left_after(optimizer, H, group) for group in (0,)]
    for group in range(1, 6):
        left.append(float(optimizer.param_groups[group]["params"][0][0].detach()))
    assert left[0] == pytest.approx(0.5, abs=1e-12)
    for group, expected in ((1, 0.5), (2, 0.5), (3, 0.25), (4, 1.0), (5, 0.5)):
        (p,) = optimizer.param_groups[group]["params"]
        with torch.no_grad():
            p.fill_(1.0)
        assert left_after(optimizer, H, group) == pytest.approx(expected, abs=1e-12), group


def test_a_copy_gives_late_groups_theirs() -> None:
    optimizer = deepcopy(halflife.AdamW([one()], lr=0.1, weight_decay=HalfLife(steps=H)))
    optimizer.add_param_group({"params": [one()], "lr": 0.2})
    assert left_after(optimizer, H, 1) == pytest.approx(0.5, abs=1e-12)


def test_loaded_checkpoints_keep_their_number() -> None:
    optimizer = halflife.AdamW([one()], lr=0.1, weight_decay=HalfLife(steps=H))
    saved = optimizer.state_dict()
    assert isinstance(saved["param_groups"][0]["weight_decay"], float)
    other = halflife.AdamW([one()], lr=0.1, weight_decay=0.5)
    other.load_state_dict(saved)
    assert left_after(other, H) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("name", ["keras", "huggingface", "zhuang-prox", "tensorflow-addons", "optimi-decoupled-lr"])
def test_in_a_conventions_optimizer(name: str) -> None:
    optimizer = halflife.conventions.find(name).optimizer([one()], lr=0.1, weight_decay=HalfLife(steps=H))
    assert left_after(optimizer, H) == pytest.approx(0.5, abs=1e-12)


def test_normalized_is_the_papers() -> None:
    amount = Normalized(0.025, batch_size=128, dataset_size=50_000, epochs=100)
    group = halflife.SGDW([one()], weight_decay=amount).param_groups[0]
    assert group["weight_decay"] == pytest.approx(0.025 * (128 / 5e6) ** 0.5)
    torchs = halflife.AdamW([one()], lr=1e-3, weight_decay=amount).param_groups[0]
    assert torchs["weight_decay"] == pytest.approx(25 * (128 / 5e6) ** 0.5)


def test_toward_init_halves_the_distance() -> None:
    p = one()
    optimizer = halflife.SGD([p], lr=0.1, decay="proximal", weight_decay=HalfLife(steps=H), regularizer=TowardInit())
    p.grad = torch.zeros_like(p)
    optimizer.step()
    with torch.no_grad():
        p.fill_(3.0)
    assert left_after(optimizer, H) == pytest.approx(2.0, abs=1e-12)


@pytest.mark.parametrize("decay", ["coupled", "euclidean", "cautious"])
def test_a_decay_without_one_says_so(decay: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be said as a λ of decay .* choose decay='decoupled'"):
        halflife.AdamW([one()], weight_decay=HalfLife(steps=H), decay=decay)
    with pytest.raises(ValueError, match="cannot be said"):
        halflife.Adam([one()], weight_decay=HalfLife(steps=H))


@pytest.mark.parametrize("R", [L1(), Huber(0.1), OnSubset(L1(), torch.tensor([True, False]))], ids=str)
def test_a_regularizer_that_takes_no_share_says_so(R: Any) -> None:
    with pytest.raises(ValueError, match="does not take a share"):
        halflife.ProxAdam([one()], weight_decay=HalfLife(steps=H), regularizer=R)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (HalfLife, "given: nothing"),
        (lambda: HalfLife(epochs=3), "epochs= and steps_per_epoch="),
        (lambda: HalfLife(steps=3, tokens=4), "given: steps, tokens"),
        (lambda: HalfLife(steps=-3), "must be above 0"),
        (lambda: HalfLife(steps=0), "no decay is weight_decay=0"),
        (lambda: HalfLife(steps=float("inf")), "must be above 0"),
        (lambda: Timescale(steps=1), "longer than one step"),
        (lambda: Normalized(0.1, batch_size=0, dataset_size=5, epochs=1), "batch_size must be at least 1"),
        (lambda: Normalized(50, batch_size=5, dataset_size=5, epochs=1), "must be below 1"),
        (lambda: Normalized(-1, batch_size=5, dataset_size=5, epochs=1), "at least 0"),
        (lambda: halflife.AdamW([one()], lr=0.0, weight_decay=HalfLife(steps=H)), "peak learning rate"),
    ],
)
def test_bad_input_gets_a_sentence(make: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()
