"""Exponents along a third axis, on surfaces whose floor is known."""

import numpy as np
import pytest

from halflife.lab.inference import NotIdentified
from halflife.lab.inference.scaling import exponents, median_slope, shifts

POINTS = np.array([25.0, 50.0, 100.0, 200.0])
LRS, LAMS = np.geomspace(1e-3, 3e-2, 5), np.geomspace(1e-3, 10.0, 9)
A = np.log(POINTS / np.sqrt(5000))[:, None, None]
X, Z = np.log(LRS / 5.5e-3)[None, :, None], np.log(LAMS / 0.1)[None, None, :]


def surface(lam=0.5, lr=-0.3, kappa=0.4, height=0.12):
    """Log error with its floor at z = lam·a − κ(x − lr·a), and its least at x = lr·a."""
    return np.log(0.1) + 0.3 * (X - lr * A) ** 2 + height * (Z + kappa * (X - lr * A) - lam * A) ** 2


def samples(y, seeds=4, noise=0.1, random=0):
    """Errors ``[seed, point, lr, λ]``."""
    return np.exp(y)[None] * np.exp(noise * np.random.default_rng(random).standard_normal((seeds, *y.shape)))


@pytest.mark.parametrize(
    ("lam", "lr", "kappa"), [(0.5, -0.3, 0.4), (-1.0, 0.0, 0.0), (1.0, 0.5, -0.5), (0.0, 0.0, 1.0)]
)
def test_exponents_without_noise_are_those_of_the_floor(lam, lr, kappa):
    at_lr, of_lr, of_lam = exponents(POINTS, LRS, LAMS, samples(surface(lam, lr, kappa), noise=0.0))
    assert at_lr.value == pytest.approx(lam + kappa * lr, abs=1e-6)  # z = (lam + κ·lr)·a − κx
    assert of_lr.value == pytest.approx(lr, abs=0.15)
    assert of_lam.value == pytest.approx(lam, abs=0.25)


def test_intervals_hold_the_truth_as_often_as_they_say():
    held = np.zeros(3)
    for random in range(60):
        found = exponents(POINTS, LRS, LAMS, samples(surface(), random=random))
        held += [one.interval().holds(truth) for one, truth in zip(found, (0.38, -0.3, 0.5), strict=True)]
    assert (held >= 0.85 * 60).all()


def test_an_exponent_moves_by_as_much_as_the_axis_is_stretched():
    errors = samples(surface())
    once, squared = (exponents(points, LRS, LAMS, errors).lam_at_lr for points in (POINTS, POINTS**2))
    assert squared.value == pytest.approx(once.value / 2)
    assert squared.interval().high == pytest.approx(once.interval().high / 2)


def test_no_exponent_where_the_best_lam_does_not_matter():
    found = exponents(POINTS, LRS, LAMS, samples(surface(height=0.0), noise=0.02))
    assert isinstance(found.lam_at_lr, NotIdentified)
    assert "at 0 of 4 points of the axis; 3 are needed" in found.lam_at_lr.reason


def test_a_median_over_columns_takes_what_both_points_have():
    a = np.array([0.0, 1.0, 2.0])
    found = np.array([[0.0, np.nan], [1.0, 5.0], [np.nan, 9.0]])
    assert median_slope(a, found) == pytest.approx(2.5)  # 1 of the first column, 4 of the second
    assert np.isnan(median_slope(a, np.array([[0.0], [1.0], [np.nan]])))


def test_shifts_are_the_differences_of_the_floor():
    first, *others = shifts(LAMS, samples(surface(), noise=0.02))
    assert first.value == pytest.approx(0.38 * np.log(2), abs=0.05)
    assert others[-1].value == pytest.approx(0.38 * np.log(8), abs=0.05)
    assert first.interval().holds(0.38 * np.log(2))
    assert isinstance(shifts(LAMS, samples(surface(height=0.0), noise=0.02))[0], NotIdentified)
