"""λ in a tensor where a graph is captured: written in place, read by nobody, and the same step."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

import halflife
from halflife.regularizers import L1, Box, GroupLasso, Regularizer
from halflife.schedules import CosineWD, LinearWD, TiedWD, WeightDecaySchedule
from tests.conformance.variants import Variant, each_engine, each_variant, flat, made, no_number_is_read, numbers

SCHEDULES: dict[str, Callable[[], WeightDecaySchedule]] = {
    "stepped": lambda: LinearWD(0.9, 0.1, steps=8),
    "tied": lambda: TiedWD(0.9),
}
each_schedule = pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)


@pytest.fixture(autouse=True)
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def weights() -> list[torch.Tensor]:
    return [numbers(shape, k).requires_grad_() for k, shape in enumerate([(3, 4), (5,)])]


def train(optimizer: Any, steps: range, move: Callable[[Any], Any]) -> torch.Tensor:
    params = optimizer.param_groups[0]["params"]
    for t in steps:
        for k, p in enumerate(params):
            p.grad = numbers(p.shape, 100 + 10 * t + k)
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"].mul_(0.8) if isinstance(group["lr"], torch.Tensor) else group.update(lr=group["lr"] * 0.8)
        move(optimizer)
    return flat(params)


def shrink(optimizer: Any) -> None:
    for group in optimizer.param_groups:
        λ = group["weight_decay"]
        λ.mul_(0.7) if isinstance(λ, torch.Tensor) else group.update(weight_decay=λ * 0.7)


@each_engine
@each_variant
def test_a_tensor_given_is_the_same_step_and_is_not_read(variant: Variant, engine: str) -> None:
    for decay in variant.decays():
        settings: dict[str, Any] = {"decay": decay, "engine": engine, "base_lr": 0.05}
        plain = train(made(variant, weight_decay=0.9, **settings), range(5), shrink)
        optimizer = made(variant, weight_decay=torch.tensor(0.9), lr=torch.tensor(0.05), capturable=True, **settings)
        λ = optimizer.param_groups[0]["weight_decay"]
        train(optimizer, range(1), shrink)
        with no_number_is_read():
            found = train(optimizer, range(1, 5), shrink)
        torch.testing.assert_close(found, plain, rtol=1e-11, atol=1e-11)
        assert optimizer.param_groups[0]["weight_decay"] is λ


@each_engine
@each_schedule
def test_a_schedule_holds_lambda_in_a_tensor(make: Callable[[], Any], engine: str) -> None:
    plain, schedule = make(), make()
    settings: dict[str, Any] = {"decay": "decoupled", "engine": engine}
    expected = train(
        halflife.AdamW(weights(), lr=0.05, weight_decay=plain, **settings), range(6), lambda _: plain.step()
    )
    optimizer = halflife.AdamW(weights(), lr=torch.tensor(0.05), weight_decay=schedule, capturable=True, **settings)
    λ = optimizer.param_groups[0]["weight_decay"]
    assert isinstance(λ, torch.Tensor)
    train(optimizer, range(1), lambda _: schedule.step())
    with no_number_is_read():
        found = train(optimizer, range(1, 6), lambda _: schedule.step())
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert optimizer.param_groups[0]["weight_decay"] is λ


def test_attached_later_and_in_late_groups_too() -> None:
    optimizer = halflife.AdamW(weights(), weight_decay=0.5, capturable=True)
    schedule = CosineWD(0.4, 0.0, steps=2)
    schedule.attach(optimizer)
    optimizer.add_param_group({"params": weights(), "weight_decay": schedule})
    schedule.step()
    held = [group["weight_decay"] for group in optimizer.param_groups]
    assert all(isinstance(λ, torch.Tensor) for λ in held)
    assert held[0] is not held[1]
    assert list(map(float, held)) == pytest.approx([0.2, 0.2])


def test_a_checkpoint_of_a_number_becomes_a_tensor_before_the_next_step() -> None:
    schedule = LinearWD(0.9, 0.1, steps=8)
    other = halflife.AdamW(weights(), lr=0.05, weight_decay=0.9)
    optimizer = halflife.AdamW(weights(), lr=0.05, weight_decay=schedule, capturable=True)
    loaded = other.state_dict()
    loaded["param_groups"][0]["capturable"] = True
    optimizer.load_state_dict(loaded)
    train(optimizer, range(1), lambda _: None)
    λ = optimizer.param_groups[0]["weight_decay"]
    schedule.step()
    assert isinstance(λ, torch.Tensor)
    assert float(λ) == pytest.approx(0.8)


def test_a_copy_writes_into_its_own_tensor() -> None:
    schedule = LinearWD(0.9, 0.1, steps=8)
    optimizer = halflife.AdamW(weights(), weight_decay=schedule, capturable=True)
    twin, its = copy.deepcopy((optimizer, schedule))
    its.step()
    assert float(twin.param_groups[0]["weight_decay"]) == pytest.approx(0.8)
    assert float(optimizer.param_groups[0]["weight_decay"]) == pytest.approx(0.9)


def test_a_number_and_torchs_own_optimizers_are_left_as_they_are() -> None:
    assert type(halflife.AdamW(weights(), weight_decay=0.5, capturable=True).param_groups[0]["weight_decay"]) is float
    theirs = torch.optim.AdamW(weights(), capturable=True)
    LinearWD(0.9, 0.1, steps=8).attach(theirs)
    assert type(theirs.param_groups[0]["weight_decay"]) is float


@each_schedule
@each_engine
@pytest.mark.parametrize(
    ("name", "decay", "regularizer"),
    [
        ("AdamW", "coupled", None),
        ("AdamW", "decoupled", None),
        ("AdamW", "independent", None),
        ("AdamW", "corrected", None),
        ("AdamW", "cautious", None),
        ("AdamW", "euclidean", L1()),
        ("AdamW", "proximal", GroupLasso(dim=0)),
        ("AdamW", halflife.Decay("explicit", "one"), None),
        ("SGD", halflife.Decay("implicit", "one"), L1()),
        ("SGD", "proximal", Box(-0.5, 0.5)),
    ],
    ids=str,
)
def test_no_device_is_asked(
    make: Callable[[], Any], engine: str, name: str, decay: Any, regularizer: Regularizer | None
) -> None:
    """On the meta device no number is there to be read: whoever asks for one fails."""
    shapes = [(3, 4), (5, 1)]
    params = [torch.empty(shape, device="meta").requires_grad_() for shape in shapes]
    schedule = make()
    settings: dict[str, Any] = {"decay": decay, "regularizer": regularizer, "engine": engine, "lr": 0.05}
    with halflife.optim.groups.on_purpose():
        optimizer = getattr(halflife, name)(params, weight_decay=schedule, **settings)
    for group in optimizer.param_groups:
        group.update(capturable=True, lr=torch.empty((), device="meta"))
    for _ in range(3):
        for p in params:
            p.grad = torch.zeros_like(p)
        optimizer.step()
        schedule.step()
    λ = optimizer.param_groups[0]["weight_decay"]
    assert λ.device.type == "meta"
