import numpy as np
import pytest

from halflife.lab.inference import kappa
from halflife.lab.inference.columns import lean, lopsided, lowest, vertices

LRS, LAMS = np.geomspace(1e-3, 3e-2, 7), np.geomspace(1e-4, 1.0, 9)
X, Z = np.log(LRS) - np.log(LRS).mean(), np.log(LAMS) - np.log(LAMS).mean()


def valley(kappa, left=0.3, right=0.3):
    """Log errors with the floor on z = −κx; its walls may be an array of one for each lr."""
    u = Z + kappa * X[:, None]
    walls = np.where(u < 0, np.reshape(left, (-1, 1)), np.reshape(right, (-1, 1)))
    return np.log(0.08) + walls * u**2 + 0.05 * X[:, None] ** 2


def seeds_of(logs, noise=0.1, seeds=4, random=0):
    return np.exp(logs + noise * np.random.default_rng(random).standard_normal((seeds, *logs.shape)))


def test_of_cells_that_tie_the_middle_one_is_the_best():
    assert lowest(np.array([[3.0, 1, 1, 1, 2], [0, 1, 2, 3, 4], [2, 1, 1, 3, 3], [0, 0, 0, 0, 0]])).tolist() == [
        2,
        0,
        1,
        2,
    ]
    assert vertices(np.arange(5.0), np.array([3.0, 1, 1, 1, 3])) == 2
    assert vertices(np.arange(5.0), np.array([3.0, 1, 1, 3, 4])) == 1.5


def test_means_of_the_same_counts_in_another_order_tie():
    assert lowest(np.array([2, 0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 0.3 + 0.1 + 0.2, 2])) == 2


@pytest.mark.parametrize("right", [0.05, 0.3, 2.0])
def test_two_half_parabolas_give_their_own_floor_wherever_the_grid_lies(right):
    z = np.arange(-6.0, 7.0)
    for floor in np.linspace(-0.45, 0.45, 7):
        u = z - floor
        y = np.where(u < 0, 0.3, right) * u**2
        assert lopsided(z, y) == pytest.approx(floor, abs=0.06)
    if right == 0.3:
        assert lopsided(z, y) == pytest.approx(floor, abs=1e-9)
    else:
        assert abs(float(lopsided(z, y)) - floor) < abs(float(vertices(z, y)) - floor)


def test_walls_that_are_alike_at_every_lr_add_nothing():
    assert lean(np.log(LRS), np.log(LAMS), np.exp(valley(0.5))[None]) == pytest.approx((0, 0), abs=0.01)
    assert max(lean(np.log(LRS), np.log(LAMS), np.exp(valley(0.0, 0.1, 0.6))[None])) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("mirrored", [False, True])
def test_walls_that_change_with_lr_widen_the_interval_on_the_side_of_the_truth(mirrored):
    """Gentle below and steep above at small lr, and less so at large lr: the vertices of parabolas lean."""
    logs = valley(0.0, 0.2 * np.exp(1.2 * X), np.full(7, 1.5))
    logs = logs[:, ::-1] if mirrored else logs
    samples = seeds_of(logs, noise=0.01, seeds=4)
    found = kappa(LRS, LAMS, samples)
    assert abs(found.value) > 0.1
    assert (found.value > 0) == mirrored
    below, above = found.lean
    assert (below > 3 * above) if mirrored else (above > 3 * below)
    assert found.interval(0.9).holds(0.0)


def test_columns_beside_a_cell_that_diverged_are_distrusted():
    """The best λ is 0 everywhere, but one cell above it nothing trains at the three largest lrs."""
    samples = seeds_of(valley(0.0), noise=0.01)
    samples[:, 4:, 5:] = samples.max()
    found = kappa(LRS, LAMS, samples)
    assert found.value > 0.05
    assert found.lean[0] == pytest.approx(found.value, abs=0.03)
    assert found.interval(0.9).holds(0.0)


@pytest.mark.parametrize("factor", [1e-6, 1e3, 7.0])
@pytest.mark.parametrize("counts", [0, 30])
def test_errors_in_another_unit_change_nothing(factor, counts):
    samples = seeds_of(valley(0.5, 0.1, 0.4), noise=0.2)
    if counts:
        samples = np.maximum(np.round(samples * counts), 1) / counts
    one, other = (kappa(LRS, LAMS, scale * samples) for scale in (1.0, factor))
    assert other.value == pytest.approx(one.value, abs=1e-9)
    assert other.interval()[:2] == pytest.approx(one.interval()[:2], abs=1e-9)


@pytest.mark.parametrize("power", [1, -1, 2])
def test_rewriting_lambda_moves_the_estimate_and_its_interval_by_exactly_the_power(power):
    """λ' = λ·lr^p, on noisy walls that differ: the same errors on a grid sheared by whole cells."""
    lams = np.geomspace(1e-9, 1e7, 33)
    lrs = np.geomspace(1e-3, 1e-3 * (lams[1] / lams[0]) ** 6, 7)
    x, z = np.log(lrs) - np.log(lrs).mean(), np.log(lams) - np.log(lams).mean()
    u = z + 0.3 * x[:, None]
    samples = seeds_of(np.where(u < 0, 0.2, 0.5) * np.minimum(u**2, 12), seeds=4)
    sheared = np.stack([np.roll(samples[:, i], power * (i - 3), axis=-1) for i in range(7)], axis=1)
    before, after = kappa(lrs, lams, samples), kappa(lrs, lams, sheared)
    assert before.value - after.value == pytest.approx(power, abs=1e-9)
    assert np.subtract(before.interval()[:2], after.interval()[:2]) == pytest.approx(power, abs=1e-9)
    assert after.lean == pytest.approx(before.lean, abs=1e-9)
