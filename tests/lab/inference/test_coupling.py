import numpy as np
import pytest

from halflife.lab.inference import NotIdentified, coupling, kappa
from halflife.lab.inference.coupling import by_columns, slope, vertices

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
    errors[1] = errors[0][::-1]
    assert [vertex.cell[0] for vertex in coupling(LRS, LAMS, errors).ridge] == [2, 3, 4, 5, 6]


def test_a_vertex_is_that_of_the_parabola_on_an_uneven_grid_too():
    z, y = np.array([0.0, 1.0, 3.0, 3.5, 6.0]), np.array([3.0, 2.0, 1.0, 1.2, 5.0])
    a, b, _ = np.polyfit(z[1:4], y[1:4], 2)
    assert vertices(z, y) == pytest.approx(-b / (2 * a))


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


def seeds_of(clean, seeds=4, noise=0.05, random=0):
    generator = np.random.default_rng(random)
    return clean * np.exp(noise * generator.standard_normal((seeds, *clean.shape)))


def test_kappa_of_many_samples_at_once_is_that_of_each():
    samples = np.stack([seeds_of(surface(tilt), random=i) for i, tilt in enumerate((0.0, 0.5, -1.0, 4.0))])
    each = [coupling(LRS, LAMS, sample.mean(0)).columns for sample in samples]
    together = by_columns(LRS, LAMS, samples)
    assert isinstance(each[3], NotIdentified)
    assert np.isnan(together[3])
    assert together[:3] == pytest.approx(each[:3], abs=1e-12)


def test_an_uneven_number_of_slopes_has_the_middle_one_and_an_even_number_the_mean_of_two():
    x = np.arange(5.0)
    zs = np.array([0.0, 1.0, np.nan, 5.0, 2.0])
    slopes = sorted((zs[k] - zs[i]) / (k - i) for i in (0, 1, 3, 4) for k in (0, 1, 3, 4) if k > i)
    assert slope(x, zs) == pytest.approx(-(slopes[2] + slopes[3]) / 2)
    assert slope(x, np.array([0.0, 1.0, 4.0, 9.0, 16.0])) == pytest.approx(-4)


def test_a_best_lambda_that_grows_with_lr_has_a_negative_kappa():
    errors = np.full((5, 7), 0.5)
    for row in range(5):
        errors[row, row + 1] = 0.1
    assert coupling(LRS[1:6], LAMS, errors).kappa == pytest.approx(-np.log(LAMS[1] / LAMS[0]) / np.log(LRS[1] / LRS[0]))


def test_the_interval_holds_what_the_grid_adds_even_without_noise():
    found = kappa(LRS, LAMS, np.stack([surface(0.5)] * 4))
    step, x = np.log(LAMS[1] / LAMS[0]), np.log(LRS) - np.log(LRS).mean()
    assert found.resolution == pytest.approx(0.1 * step / np.sqrt((x**2).sum()))
    assert found.interval(0.9).high - 0.5 == pytest.approx(1.645 * found.resolution, rel=1e-3)


def test_a_kappa_that_hangs_on_one_seed_is_not_identified():
    samples = np.stack([surface(0.0)] * 4)
    samples[:3, :4] = 0.3
    samples[3, :4, 3] /= 100
    assert not isinstance(coupling(LRS, LAMS, samples.mean(0)).kappa, NotIdentified)
    found = kappa(LRS, LAMS, samples)
    assert isinstance(found, NotIdentified)
    assert "25% of the studies with one seed less" in found.reason


def test_one_seed_has_a_kappa_and_no_interval():
    found = kappa(LRS, LAMS, surface(0.5)[None])
    assert found.value == pytest.approx(0.5)
    assert "no interval without a second" in found.interval().reason
