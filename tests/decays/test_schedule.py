"""Schedules of λ, stepped beside torch's schedulers of lr."""

from __future__ import annotations

import pickle
from math import cos, pi, sqrt

import pytest
import torch

import halflife
from halflife.schedules import (
    ConstantWD,
    CosineWD,
    LambdaWD,
    LinearWD,
    LogTimeWD,
    NormalizedWD,
    TiedWD,
    WeightDecaySchedule,
)

SCHEDULES = [
    (ConstantWD(0.3), [0.3] * 6),
    (LinearWD(0.4, 0.0, steps=4), [0.4, 0.3, 0.2, 0.1, 0.0, 0.0]),
    (CosineWD(0.4, 0.1, steps=4), [0.1 + 0.3 * (1 + cos(pi * min(k, 4) / 4)) / 2 for k in range(6)]),
    (LambdaWD(lambda k: 1 / (1 + k)), [1 / (1 + k) for k in range(6)]),
    (LogTimeWD(4.0, offset=0), [4.0, 2.0, 4 / 3, 1.0, 0.8, 4 / 6]),
    (LogTimeWD(4.0, offset=10), [0.4 / (1 + t / 10) for t in range(1, 7)]),
    (TiedWD(0.3), [0.3] * 6),
    (NormalizedWD(0.025, batch_size=128, dataset_size=50_000, epochs=100), [0.025 * sqrt(128 / 5e6)] * 6),
    (
        NormalizedWD(0.025, batch_size=100, dataset_size=1000, epochs=1, multiplier=2),
        [0.025 * sqrt(0.1 / T) for T in (1, 2, 2, 4, 4, 4)],
    ),
]


def parameter() -> torch.Tensor:
    return torch.ones(3, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize(("schedule", "expected"), SCHEDULES)
def test_values(schedule: WeightDecaySchedule, expected: list[float]) -> None:
    assert [schedule.at(k) for k in range(6)] == pytest.approx(expected)


def test_given_as_weight_decay_it_moves_the_weights() -> None:
    w, λ = parameter(), LinearWD(0.4, 0.0, steps=4)
    optimizer = halflife.SGD([w], lr=0.1, weight_decay=λ, decay="independent")
    expected = 1.0
    for k in range(5):
        w.grad = torch.zeros_like(w)
        optimizer.step()
        expected *= 1 - 0.1 * (4 - k)
        assert float(w[0].detach()) == pytest.approx(expected, abs=1e-14)
        λ.step()


def test_log_time_leaves_a_power_of_time() -> None:
    """A literal transcription: θ ← θ − γ(t)·ω/(T + t)·θ, and with γ = 1, ω = 2 what is left is a ratio of squares."""
    w, λ, T, ω = parameter(), LogTimeWD(2.0, offset=10), 10, 2.0
    optimizer = halflife.SGD([w], lr=0.3, weight_decay=λ, decay="independent")
    θ = 1.0
    for t in range(1, 41):
        w.grad = torch.zeros_like(w)
        optimizer.step()
        λ.step()
        θ -= ω / (T + t) * θ
    assert float(w[0].detach()) == pytest.approx(θ, rel=1e-13) == pytest.approx(10 * 9 / (50 * 49), rel=1e-13)


def test_each_group_its_own() -> None:
    a, b = LinearWD(0.4, 0.0, steps=4), CosineWD(1.0, 0.0, steps=2)
    late = LambdaWD(lambda k: 7.0 + k)
    optimizer = halflife.AdamW(
        [{"params": [parameter()]}, {"params": [parameter()], "weight_decay": b}], weight_decay=a
    )
    optimizer.add_param_group({"params": [parameter()], "weight_decay": late})
    optimizer.add_param_group({"params": [parameter()]})
    for schedule in (a, b, late):
        schedule.step()
    assert [g["weight_decay"] for g in optimizer.param_groups] == pytest.approx([0.3, 0.5, 8.0, 0.3])


def test_state_dict_and_pickle_carry_the_count() -> None:
    λ = CosineWD(1.0, 0.0, steps=10)
    for _ in range(3):
        λ.step()
    fresh = CosineWD(1.0, 0.0, steps=10)
    optimizer = halflife.AdamW([parameter()], weight_decay=fresh)
    fresh.load_state_dict(λ.state_dict())
    assert optimizer.param_groups[0]["weight_decay"] == λ.value == pickle.loads(pickle.dumps(λ)).value
    with pytest.raises(KeyError, match="count"):
        fresh.load_state_dict({"last_epoch": 3})


def test_after_loading_the_optimizer_the_schedule_still_writes() -> None:
    λ = LinearWD(0.4, 0.0, steps=4)
    optimizer = halflife.AdamW([parameter()], weight_decay=λ)
    optimizer.load_state_dict(optimizer.state_dict())
    λ.step()
    assert optimizer.param_groups[0]["weight_decay"] == pytest.approx(0.3)


def test_attaches_to_any_torch_optimizer_and_writes_into_tensors() -> None:
    optimizer = torch.optim.AdamW([parameter()])
    λ = LinearWD(0.4, 0.0, steps=4)
    λ.attach(optimizer)
    λ.step()
    assert optimizer.param_groups[0]["weight_decay"] == pytest.approx(0.3)
    tensor = torch.tensor(0.0)
    ours = halflife.SGD([parameter()], weight_decay=tensor)
    λ.attach(ours)
    assert ours.param_groups[0]["weight_decay"] is tensor
    assert float(tensor) == pytest.approx(0.3)


def test_beside_a_learning_rate_scheduler() -> None:
    w, λ = parameter(), LambdaWD(lambda k: 0.1 * (k + 1))
    optimizer = halflife.SGD([w], lr=0.5, weight_decay=λ, decay="independent")
    lr = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 1 / (1 + k))
    expected = 1.0
    for k in range(4):
        w.grad = torch.zeros_like(w)
        optimizer.step()
        expected *= 1 - 0.1 * (k + 1) / (1 + k)
        λ.step()
        lr.step()
    assert float(w[0].detach()) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: LinearWD(0.1, 0.0, steps=0), "steps must be at least 1"),
        (lambda: NormalizedWD(0.1, batch_size=0, dataset_size=1, epochs=1), "batch_size"),
        (lambda: halflife.AdamW([parameter()], weight_decay=LambdaWD(lambda k: -1.0)), "at least 0"),
        (lambda: halflife.SGD([parameter()], weight_decay=torch.ones(2)), "1-element"),
        (lambda: LogTimeWD(-1, offset=0), "omega must be at least 0"),
        (lambda: LogTimeWD(1, offset=-1), "offset must be at least 0"),
    ],
)
def test_errors_are_sentences(make, match: str) -> None:
    with pytest.raises((ValueError, RuntimeError), match=match):
        make()


def test_a_group_that_is_gone_is_left_alone() -> None:
    λ = LinearWD(0.4, 0.0, steps=4)
    optimizer = halflife.SGD([{"params": [parameter()]}, {"params": [parameter()]}], lr=0.1, weight_decay=λ)
    optimizer.param_groups.pop()
    λ.step()
    assert optimizer.param_groups[0]["weight_decay"] == pytest.approx(0.3)


def test_a_tensor_that_somebody_writes_into_stays_that_tensor() -> None:
    """A step does not look at its value either, which on a GPU would wait for the device."""
    w, λ, schedule = parameter(), torch.tensor(0.5), LinearWD(0.5, 0.25, steps=1)
    optimizer = halflife.SGD([w], lr=0.1, weight_decay=λ)
    schedule.attach(optimizer)
    schedule.step()
    λ.fill_(0.5)  # what the schedule had written before
    w.grad = torch.zeros_like(w)
    optimizer.step()
    assert optimizer.param_groups[0]["weight_decay"] is λ
    assert w.tolist() == pytest.approx([0.95] * 3)
