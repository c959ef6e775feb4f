import numpy as np
import pytest

from halflife.lab.coupling import NotIdentified, coupling

LRS = np.geomspace(3e-4, 3e-2, 7)
LAMS = np.geomspace(1e-4, 1e-1, 7)


def surface(kappa, lrs=LRS, lams=LAMS, height=0.3, middle=0.0):
    """A valley of error whose floor lies on z = −κx, and which rises toward both ends of the learning rates."""
    x, z = np.log(lrs)[:, None], np.log(lams)[None, :]
    x, z = x - x.mean(), z - z.mean() - middle
    return 0.1 * np.exp(height * (z + kappa * x) ** 2 + 0.05 * x**2)


@pytest.mark.parametrize("kappa", [0.0, 0.5, -0.5, 1.0, -1.0])
def test_a_quadratic_valley_gives_its_own_kappa_by_both_estimates(kappa):
    found = coupling(LRS, LAMS, surface(kappa))
    assert found.columns == pytest.approx(kappa, abs=1e-9)
    assert found.quadratic == pytest.approx(kappa, abs=1e-9)
    assert found.kappa == found.columns


@pytest.mark.parametrize("kappa", [0.0, 0.5, -1.0])
def test_noise_moves_kappa_little(kappa):
    rng = np.random.default_rng(0)
    clean = surface(kappa)
    found = [coupling(LRS, LAMS, clean * np.exp(0.05 * rng.standard_normal(clean.shape))) for _ in range(200)]
    for estimates in ([f.columns for f in found], [f.quadratic for f in found]):
        assert np.mean(estimates) == pytest.approx(kappa, abs=0.02)
        assert np.std(estimates) < 0.1


def test_the_cap_of_a_guess_and_a_flat_plain_at_small_lr_do_not_tilt_a_valley():
    x = np.log(LRS)[:, None] - np.log(LRS).mean()
    z = np.log(LAMS)[None, :] - np.log(LAMS).mean()
    without_decay = 0.1 + 0.25 / (1 + np.exp(-3 * x))
    valley = 0.07 + (without_decay - 0.07) / (1 + np.exp(2 * (z + 1))) + 0.9 / (1 + np.exp(-3 * (z - 3)))
    errors = np.minimum(valley, 0.9)
    assert coupling(LRS, LAMS, errors).columns == pytest.approx(0, abs=0.15)


@pytest.mark.parametrize("power", [1.0, -1.0, 0.5])
def test_rewriting_lambda_shifts_both_estimates_by_exactly_the_power(power):
    """λ' = λ·lr^p, on a noisy surface: the same errors, read off a grid that is sheared by a whole number of cells."""
    rng = np.random.default_rng(1)
    lams = np.geomspace(1e-6, 1e2, 25)
    lrs = np.geomspace(1e-3, 1e-3 * (lams[2] / lams[0]) ** 4, 5)
    errors = surface(0.3, lrs, lams, middle=-1.0)
    errors *= np.exp(0.02 * rng.standard_normal(errors.shape))
    shift = round(2 * power)
    sheared = np.stack([np.roll(row, shift * (i - 2)) for i, row in enumerate(errors)])
    before, after = coupling(lrs, lams, errors), coupling(lrs, lams, sheared)
    assert before.columns - after.columns == pytest.approx(power, abs=1e-9)
    assert before.quadratic - after.quadratic == pytest.approx(power, abs=1e-9)


def test_columns_whose_best_is_on_the_edge_are_dropped_and_the_rest_decides():
    errors = surface(0.5)
    errors[0], errors[1] = np.linspace(0.1, 0.5, 7), np.linspace(0.5, 0.1, 7)
    found = coupling(LRS, LAMS, errors)
    assert [vertex.cell[0] for vertex in found.ridge] == [2, 3, 4, 5, 6]
    assert found.columns == pytest.approx(0.5, abs=1e-9)


def test_a_column_that_does_not_care_for_decay_is_dropped():
    errors = surface(0.0)
    errors[0] = [0.100, 0.099, 0.098, 0.099, 0.1, 0.3, 0.9]
    assert [vertex.cell[0] for vertex in coupling(LRS, LAMS, errors).ridge] == [1, 2, 3, 4, 5, 6]


def test_under_four_columns_there_is_a_reason_and_no_number():
    errors = surface(0.0)
    errors[:4] = np.linspace(0.1, 0.5, 7)
    found = coupling(LRS, LAMS, errors)
    assert isinstance(found.kappa, NotIdentified)
    assert isinstance(found.quadratic, NotIdentified)
    assert "at 3 of 7 learning rates; 4 are needed" in found.kappa.reason


def test_a_surface_that_nowhere_curves_is_not_identified():
    assert isinstance(coupling(LRS, LAMS, np.full((7, 7), 0.9)).kappa, NotIdentified)
    assert isinstance(coupling(LRS, LAMS[:1], np.full((7, 1), 0.1)).kappa, NotIdentified)


def test_shapes_and_order_are_checked():
    with pytest.raises(ValueError, match=r"\(7, 7\) was expected"):
        coupling(LRS, LAMS, np.ones((7, 6)))
    with pytest.raises(ValueError, match="increase"):
        coupling(LRS[::-1], LAMS, np.ones((7, 7)))
