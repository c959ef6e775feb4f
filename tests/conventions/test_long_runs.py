"""Runs of any length are converted in memory that does not grow with them, to what is found step by step."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from math import cos, pi

import numpy as np
import pytest

from halflife.conventions import SCHEDULES, Conversion, convert, schedule
from halflife.conventions.schedule import FINENESS, SINGLY, course

SHORT, LONG = 1 << 12, 12 * FINENESS + 345
"""What is taken step by step here, and a run of blocks up to eleven steps long."""

PAIRS = [
    ("timm-lion", "pytorch-optimizer-lion-fixed"),  # η·lr·λ to λ in every step: λ depends on the mean of η
    ("pytorch-optimizer-lion-fixed", "timm-lion"),
    ("timm-corrected", "torch"),  # that of η²
    ("huggingface-former", "keras"),  # ε, which moves with the moments' bias
    ("zhuang-prox", "torch"),
]


def numbers(result: Conversion) -> list[float]:
    steps = [result.at(k) for k in (0, 1, LONG // 3, LONG - 1, LONG + 5)] if result.exact_at_each_step else []
    each = [x for now in steps for x in (now.lr, now.weight_decay, now.eps)]
    return [result.lr, result.weight_decay, result.eps, *each]


def rough(k: int) -> float:
    return (0.0, 1.0, 0.5, 0.25, 3.0)[k % 5]


def smooth(k: int) -> float:
    return (1 + cos(pi * k / LONG)) / 2


def peak_of(call: Callable[[], object]) -> float:
    """The most memory that it takes, in MB."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Runs are cut from a length on that takes no time."""
    monkeypatch.setattr(schedule, "SINGLY", SHORT)
    return monkeypatch


@pytest.mark.parametrize("shape", [*SCHEDULES, rough, smooth])
@pytest.mark.parametrize("pair", PAIRS, ids="-to-".join)
def test_a_long_run_is_converted_as_step_by_step(
    shape: schedule.Schedule, pair: tuple[str, str], short: pytest.MonkeyPatch
) -> None:
    ours = convert(1e-5, *pair, lr=0.1, schedule=shape, steps=LONG)
    short.setattr(schedule, "SINGLY", LONG)
    one_by_one = convert(1e-5, *pair, lr=0.1, schedule=shape, steps=LONG)
    assert (ours.verdict, ours.why, ours.order) == (one_by_one.verdict, one_by_one.why, one_by_one.order)
    assert numbers(ours) == pytest.approx(numbers(one_by_one), rel=1e-12, abs=0)
    bounds = [(x.decay_bound, x.step_bound) for x in (ours, one_by_one)]
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-6, abs=1e-13)


@pytest.mark.parametrize("shape", SCHEDULES)
def test_memory_does_not_grow_with_the_steps(shape: str) -> None:
    def run(steps: int) -> float:
        return peak_of(lambda: convert(1e-5, *PAIRS[0], schedule=shape, steps=steps))

    run(10)
    most = run(SINGLY)
    for steps in (10**9, 10**12):
        assert run(steps) < most < 80


@pytest.mark.usefixtures("short")
def test_memory_does_not_grow_with_a_functions_steps() -> None:
    def run(pieces: int) -> float:
        return peak_of(lambda: convert(1e-5, *PAIRS[0], schedule=rough, steps=pieces * SHORT))

    run(1)
    assert run(16) < 1.5 * run(2)


@pytest.mark.parametrize("steps", [10**9, 10**9 + 7, 10**15])
def test_the_sums_of_a_very_long_run_are_those_of_the_formula(steps: int) -> None:
    mean = {"constant": 1.0, "linear": 0.5 + 0.5 / steps, "cosine": 0.5 + 0.5 / steps, "warmup-cosine": 0.5}
    square = {"constant": 1.0, "linear": 1 / 3 + 0.5 / steps, "cosine": 3 / 8 + 0.5 / steps}
    for shape, η in mean.items():
        (piece,) = course(shape, steps).pieces()
        assert piece.count.sum() == pytest.approx(steps, rel=1e-14)
        assert (piece.eta * piece.count).sum() / steps == pytest.approx(η, rel=1e-9 if "warm" in shape else 1e-13)
        if shape in square:
            assert (piece.eta**2 * piece.count).sum() / steps == pytest.approx(square[shape], rel=1e-12)
        assert (piece.step[0], piece.step[-1]) == (0, steps - 1)
        assert np.diff(piece.step).min() >= 1
    assert convert(0.01, "torch", "paper", lr=1e-3, schedule="cosine", steps=steps).weight_decay == pytest.approx(1e-5)


@pytest.mark.parametrize("pair", [("optimi-lion-decoupled-lr", "timm-lion"), ("paper", "torch"), ("torch", "paper")])
def test_exact_stays_exact_however_much_rounding_adds_up(pair: tuple[str, str]) -> None:
    for steps in (1000, 10**9, 10**12):
        assert convert(0.001, *pair, schedule="cosine", steps=steps).verdict == "exact"


@pytest.mark.usefixtures("short")
def test_a_function_is_held_to_what_it_gives_at_each_step() -> None:
    for wrong in (-1.0, float("nan"), float("inf")):
        for at in (SHORT - 1, SHORT, LONG - 1):
            with pytest.raises(ValueError, match="must give a number of at least 0 at each"):
                convert(0.01, schedule=lambda k: wrong if k == at else 1.0, steps=LONG)  # noqa: B023
    with pytest.raises(ValueError, match="not 0 at all of them"):
        convert(0.01, schedule=lambda k: 0.0, steps=LONG)
    moved = convert(1e-5, "paper-sgdw", "timm-sgdw", momentum=0.9, schedule=lambda k: 1 + (k == LONG - 1), steps=LONG)
    assert moved.verdict == "impossible", "lr moves at the last step"
    with pytest.raises(ValueError, match="it must remove less than 1"):
        convert(0.5, "paper", "torch", schedule=lambda k: 1 + (k == LONG - 1), steps=LONG)


def test_steps_are_counted_from_0() -> None:
    with pytest.raises(ValueError, match="counted from 0, but -1 was given"):
        convert(0.01, "keras", "torch").at(-1)
