"""What is said of a third axis: exponents beside a law's, points told from the others."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from halflife.lab import OPTIMIZER_SPECS, AxisPoint, Findings, Result, Settings
from halflife.lab.analysis.scaling import law_factor, scaling_words, scalings
from halflife.lab.laws import MEAN_RATE, TIMESCALE, law_along
from halflife.lab.reproductions import PRESETS

LRS, LAMS = tuple(np.geomspace(1e-3, 3e-2, 5).tolist()), tuple(np.geomspace(1e-3, 10.0, 9).tolist())


def result(axis, value, log_lam, name="adamw-torch", random=0):
    """A study at this point whose best λ is exp(log_lam) at every lr."""
    x, z = np.log(LRS)[:, None], np.log(LAMS)[None]
    y = 0.3 * (x - np.log(5.5e-3)) ** 2 + 0.15 * (z - log_lam) ** 2
    noise = np.random.default_rng(random).standard_normal((4, *y.shape))
    val = 0.1 * np.exp(y + 0.03 * noise)
    found = Findings(OPTIMIZER_SPECS[name], LRS, LAMS, val, val, np.zeros(val.shape, dtype=bool), "error")
    problem = MappingProxyType({})
    return Result("t", Settings(), problem, [found], found, {}, Path("x"), "singly: so", point=AxisPoint(axis, value))


def along(axis, values, power, name="adamw-torch"):
    """Its best λ goes as this power of the axis."""
    middle = float(np.log(values).mean())
    results = [result(axis, v, power * (np.log(v) - middle) - 2, name, i) for i, v in enumerate(values)]
    return scalings(results)[0]


@pytest.mark.parametrize(("axis", "power"), [("batch-size", 1.0), ("samples", -1.0), ("epochs", 0.0)])
def test_where_the_law_holds_each_point_is_told_from_the_others(axis, power):
    scaling = along(axis, (25, 50, 100, 200), power)
    told = scaling.leave_one_out()
    assert [one.holds for one in told] == [True] * 4
    words = " ".join(scaling_words(scaling))
    assert "as measured here" in words
    assert "4 of 4 points have near their best" in words


@pytest.mark.parametrize(("axis", "power"), [("batch-size", 0.0), ("samples", 1.0), ("epochs", 1.0)])
def test_where_it_does_not_hold_the_words_say_so(axis, power):
    scaling = along(axis, (25, 50, 100, 200), power)
    assert not all(one.holds for one in scaling.leave_one_out())
    words = " ".join(scaling_words(scaling))
    assert "not what is measured here" in words
    assert "(not at" in words


def test_a_law_speaks_of_decays_that_shrink_weights_by_themselves():
    assert law_along("batch-size", OPTIMIZER_SPECS["adamw-paper"]) is TIMESCALE
    assert law_along("batch-size", OPTIMIZER_SPECS["adam-l2"]) is None
    assert law_along("loss-scale", OPTIMIZER_SPECS["adamw-torch"]) is None
    assert len(scaling_words(along("batch-size", (25, 50, 100), 1.0, "adam-l2"))) == 2


def test_under_a_schedule_lam_makes_up_for_the_mean_lr():
    assert MEAN_RATE["cosine"] == pytest.approx(0.5, abs=1e-3)
    assert MEAN_RATE["drops"] == pytest.approx(0.3 + 0.3 * 0.2 + 0.2 * 0.04 + 0.2 * 0.008, abs=1e-3)
    assert law_factor(TIMESCALE, AxisPoint("schedule", "cosine")) == pytest.approx(2.0, abs=1e-2)
    results = [result("schedule", "constant", -2.0), result("schedule", "cosine", -2.0 + np.log(2), random=1)]
    scaling = scalings(results)[0]
    assert not scaling.is_numeric
    assert np.exp(scaling.shifts[0].value) == pytest.approx(2.0, rel=0.1)
    assert "beside schedule constant: cosine × 2" in " ".join(scaling_words(scaling))


def test_points_are_in_order_and_an_optimizer_that_one_lacks_is_left_out():
    results = [result("samples", v, -2.0) for v in (300, 100, 200)]
    assert [point.value for point in scalings(results)[0].points] == [100, 200, 300]
    other = result("samples", 400, -2.0, "adam-l2")
    assert scalings([*results, other]) == []
    assert scalings(results[:1]) == []
    assert scalings([replace(one, point=None) for one in results]) == []


@pytest.mark.parametrize(
    ("name", "axis", "values", "power", "holds"),
    [
        ("batch-size", "batch-size", (25, 50, 100, 200), 1.0, True),
        ("batch-size", "batch-size", (25, 50, 100, 200), 0.3, False),
        ("timescale", "samples", (75, 150, 300, 600), -1.0, True),
        ("timescale", "samples", (75, 150, 300, 600), 0.0, False),
        ("scarce-data", "samples", (75, 150, 300, 600), -0.7, True),
        ("scarce-data", "samples", (75, 150, 300, 600), 0.7, False),
        ("scarce-data", "samples", (75, 150, 300, 600), 0.0, None),
    ],
)
def test_each_presets_claim_can_hold_and_fail(name, axis, values, power, holds):
    middle = float(np.log(values).mean())
    results = [result(axis, v, power * (np.log(v) - middle) - 2, random=i) for i, v in enumerate(values)]
    assert PRESETS[name].conclude(results).holds is holds


@pytest.mark.parametrize(("factors", "holds"), [((1.0, 2.0, 2.7), True), ((1.0, 1.0, 1.0), False)])
def test_the_schedules_claim_can_hold_and_fail(factors, holds):
    names = ("constant", "cosine", "drops")
    results = [
        result("schedule", name, -2 + np.log(factor), random=i)
        for i, (name, factor) in enumerate(zip(names, factors, strict=True))
    ]
    assert PRESETS["schedule"].conclude(results).holds is holds
