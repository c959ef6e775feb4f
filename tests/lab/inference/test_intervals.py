import numpy as np
import pytest
from scipy import stats

from halflife.lab.inference import NotIdentified, estimate
from halflife.lab.inference.intervals import Interval


def mean(samples):
    return samples.mean((-3, -2, -1))


def normal(seeds, random=0):
    return np.random.default_rng(random).standard_normal((seeds, 1, 1))


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("bootstrap", [True, False])
def test_of_a_mean_the_jackknife_is_students_interval(level, bootstrap):
    samples = normal(5)
    found = estimate(mean, samples, bootstrap=bootstrap)
    expected = stats.t.interval(level, 4, samples.mean(), samples.std(ddof=1) / 5**0.5)
    assert found.method == "jackknife-t"
    assert found.interval(level)[:2] == pytest.approx(expected)
    assert found.interval(level).level == level


def test_from_eight_seeds_on_it_is_a_bootstrap_as_wide_as_students_interval():
    for seeds in (8, 20):
        samples = normal(seeds)
        found = estimate(mean, samples)
        assert found.method == "bootstrap"
        width = np.ptp(stats.t.interval(0.9, seeds - 1, 0, samples.std(ddof=1) / seeds**0.5))
        assert np.ptp(found.interval()[:2]) == pytest.approx(width, rel=0.1)
    assert estimate(mean, normal(8), bootstrap=False).method == "jackknife-t"


def test_whole_seeds_are_resampled():
    """Two cells that cancel within each seed: their sum has no spread."""
    one = normal(8)
    found = estimate(mean, np.concatenate([one, -one], axis=-1))
    assert np.ptp(found.interval()[:2]) == pytest.approx(0, abs=1e-12)


def test_the_same_samples_give_the_same_interval():
    assert estimate(mean, normal(9)).interval() == estimate(mean, normal(9)).interval()


def test_one_seed_has_no_interval():
    found = estimate(mean, normal(1))
    assert found.value == normal(1).mean()
    assert found.interval() == NotIdentified("1 seed: no interval without a second")


def test_what_the_grid_adds_adds_in_squares():
    seeds_alone = estimate(mean, normal(4)).interval().high - normal(4).mean()
    both = estimate(mean, normal(4), resolution=0.5).interval().high - normal(4).mean()
    assert both**2 == pytest.approx(seeds_alone**2 + (stats.norm.ppf(0.95) * 0.5) ** 2)


def test_what_is_known_to_lean_one_way_adds_on_that_side_alone():
    plain, found = (estimate(mean, normal(4), lean=lean) for lean in ((0.0, 0.0), (0.0, 0.5)))
    assert found.interval().low == plain.interval().low
    above = [one.interval().high - one.value for one in (plain, found)]
    assert above[1] ** 2 == pytest.approx(above[0] ** 2 + (stats.norm.ppf(0.95) * 0.5) ** 2)


@pytest.mark.parametrize(("seeds", "left_out", "ways"), [(4, 2, 6), (5, 2, 10), (8, 4, 70), (12, 6, 100)])
def test_of_a_mean_the_jackknife_that_leaves_more_out_is_as_wide_as_students_interval(seeds, left_out, ways):
    samples = normal(seeds)
    found = estimate(mean, samples, bootstrap=False, left_out=left_out)
    assert len(found.replicates) == ways
    expected = stats.t.interval(0.9, seeds - 1, samples.mean(), samples.std(ddof=1) / seeds**0.5)
    assert found.interval(0.9)[:2] == pytest.approx(expected, rel=1e-9 if ways < 100 else 0.2)


def test_an_interval_stays_within_what_is_possible():
    found = estimate(mean, 0.5 + normal(2), bounds=(0.0, 1.0)).interval()
    assert found[:2] == (0.0, 1.0)


@pytest.mark.parametrize(("seeds", "lost"), [(4, "25% of the studies with one seed less"), (8, "of the resamples")])
def test_a_number_that_resamples_lose_has_no_interval(seeds, lost):
    def fragile(samples):
        found = mean(samples)
        return np.where((samples == normal(seeds)[0]).any((-3, -2, -1)), found, np.nan)

    assert lost in estimate(fragile, normal(seeds)).interval().reason


def test_where_an_interval_lies():
    assert Interval(-0.2, 0.2, 0.9).within(0.25)
    assert not Interval(-0.3, 0.2, 0.9).within(0.25)
    assert not Interval(-0.2, 0.3, 0.9).within(0.25)
    assert Interval(0.3, 0.4, 0.9).beyond(0.25)
    assert Interval(-0.4, -0.3, 0.9).beyond(0.25)
    assert not Interval(-0.4, 0.4, 0.9).beyond(0.25)
    assert Interval(-0.4, 0.4, 0.9).holds(0.4)
    assert not Interval(-0.4, 0.4, 0.9).holds(0.5)
