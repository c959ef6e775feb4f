"""Every ordered pair of conventions, by running both optimizers: exact is exact, approximate stays within its bound."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest

from halflife.conventions import CONVENTIONS, Conversion, Settings, convert, find

from .problem import (
    BETAS,
    BUILT,
    EPS,
    LRS,
    MATRIX,
    STEPS,
    W0,
    apart,
    ours,
    run,
    settings_of,
    shape_of,
    with_settings,
    μ,
)

EXACT = 1e-12
LEARNING_RATES = {"constant": (LRS[0],) * STEPS, "scheduled": LRS}


@cache
def trajectory(name: str, schedule: str, momentum: float) -> np.ndarray:
    changed = {"momentum": momentum} if find(name).rule == "sgd" else {}
    return run(ours(name, **changed), LEARNING_RATES[schedule], shape=shape_of(name))


def pairs(source: str) -> list[str]:
    return [name for name in BUILT if CONVENTIONS[name].rule == CONVENTIONS[source].rule]


def converted(source: str, target: str, schedule: str, momentum: float) -> Conversion:
    given = settings_of(source)
    α, lrs = given["lr"], LEARNING_RATES[schedule]
    return convert(
        given["weight_decay"],
        source,
        target,
        lr=α,
        betas=None if find(source).rule == "sgd" else BETAS,
        eps=EPS,
        momentum=momentum,
        schedule=lambda k: lrs[k] / α,
        steps=STEPS,
        shape=MATRIX if find(source).rule == "muon" else None,
    )


Flags = tuple[tuple[str, Any], ...]


@cache
def steps_of(target: str, settings: Settings, schedule: str, flags: Flags = ()) -> np.ndarray:
    """The target's trajectory under these constants, its lr following the same schedule."""
    make = with_settings(find(target), settings, dict(flags))
    return run(make, lrs(settings, schedule), shape=shape_of(target))


@cache
def path_of(target: str, settings: Settings, schedule: str, flags: Flags = ()) -> np.ndarray:
    """The length of each weight's path, of the steps alone: the sum of |lr·u|."""

    def off(optimizer: Any, _: int) -> None:
        for group in optimizer.param_groups:
            group["weight_decay"] = 0.0

    make = with_settings(find(target), settings, dict(flags))
    rows = run(make, lrs(settings, schedule), before=off, shape=shape_of(target))
    return np.abs(np.diff(np.vstack([W0, rows]), axis=0)).sum(axis=0)


def lrs(settings: Settings, schedule: str) -> list[float]:
    return [lr / LRS[0] * settings.lr for lr in LEARNING_RATES[schedule]]


def steps_anew(result: Conversion, schedule: str) -> np.ndarray:
    """The target's trajectory with its numbers set anew at each step."""

    def set_anew(optimizer: Any, k: int) -> None:
        result.apply(optimizer, k)
        if result.target.amount == "normalized":
            for group in optimizer.param_groups:
                group["weight_decay"] /= np.sqrt(STEPS)

    make = with_settings(result.target, result.settings, result.flags)
    return run(make, lrs(result.settings, schedule), before=set_anew, shape=shape_of(result.target.name))


@pytest.mark.parametrize("schedule", LEARNING_RATES)
@pytest.mark.parametrize("source", BUILT)
@pytest.mark.filterwarnings("ignore:parameter group .* is above the base learning rate")
def test_the_weights_agree_as_the_verdict_says(source: str, schedule: str) -> None:
    for momentum in {"sgd": (μ, 0.0), "muon": (μ,)}.get(find(source).rule, (0.0,)):
        theirs = trajectory(source, schedule, momentum)
        assert apart(theirs[-1], W0) >= 100 * EXACT
        for target in pairs(source):
            result = converted(source, target, schedule, momentum)
            told = f"{source} → {target}, {schedule}, μ={momentum}: {result}"
            if result.verdict == "impossible":
                continue
            if result.verdict == "exact":
                assert apart(steps_of(target, result.settings, schedule, (*result.flags.items(),)), theirs) <= EXACT, (
                    told
                )
                assert result.exact_at_each_step
                continue
            _stays_within_its_bound(result, schedule, theirs, told)
            if result.exact_at_each_step:
                assert apart(steps_anew(result, schedule), theirs) <= EXACT, told


def _stays_within_its_bound(result: Conversion, schedule: str, theirs: np.ndarray, told: str) -> None:
    flags = (*result.flags.items(),)
    off = np.abs(steps_of(result.target.name, result.settings, schedule, flags) - theirs).max(axis=0)
    sides = (result.source, result.given, ()), (result.target, result.settings, flags)
    paths = [path_of(c.name, s, schedule, said) for c, s, said in sides]
    assert 0 < result.bound <= (2 if result.source.rule == "muon" else 1), told
    assert (off <= result.bound * (np.abs(W0) + np.maximum(*paths)) + EXACT).all(), told
    assert off.max() > EXACT, f"it is exact: {told}"


def test_every_verdict_occurs_and_each_has_its_sentence() -> None:
    results = [convert(0.01, a, b, steps=100) for a in CONVENTIONS for b in CONVENTIONS]
    verdicts = Counter(result.verdict for result in results)
    assert verdicts["exact"] > 600
    assert verdicts["approximate"] > 600
    assert verdicts["impossible"] > 600, "other rules among them"
    for result in results:
        assert result.why.startswith(result.verdict.capitalize() + ": ")
        assert result.why.endswith(".")
        assert (result.bound > 0) == (result.verdict != "exact")
        assert bool(result.order) == (result.verdict == "approximate")
