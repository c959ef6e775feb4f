import numpy as np
import pytest
from scipy import stats

from halflife.lab.inference import NotIdentified, interaction
from halflife.lab.inference.half_splits import half_splits
from halflife.lab.inference.interaction import effects, omega2, region

ADDITIVE = np.add.outer([0.0, 0.2, 0.3, 0.5], [0.4, 0.0, 0.1, 0.3, 0.5])
CROSSED = 0.3 * np.outer([1, 1, -1, -1], [1, 0, 0, 0, -1])


def samples_of(logs, seeds=4, noise=0.05, random=0, count=()):
    normal = np.random.default_rng(random).standard_normal
    return 0.1 * np.exp(logs + noise * normal((*count, seeds, *logs.shape)) + noise * normal((*count, seeds, 1, 1)))


def test_what_adds_up_is_no_interaction():
    found = interaction(samples_of(ADDITIVE))
    assert found.omega2.value < 0.02
    assert found.omega2.interval().low == 0
    assert found.p > 0.05


def test_what_crosses_is_nothing_else():
    found = interaction(samples_of(CROSSED))
    assert found.omega2.value > 0.98
    assert found.p < 1e-6


def test_the_share_is_unbiased_where_the_noise_is_large():
    """Without its correction the interaction of noise alone would count: 12 of 19 degrees of freedom are its own."""
    found = omega2(samples_of(ADDITIVE / 2, noise=0.2, count=(300,)))
    assert np.nanmean(found) < 0.16
    mixed = ADDITIVE / 3 + CROSSED / 3
    quiet = float(omega2(samples_of(mixed, noise=1e-6)))
    assert np.nanmedian(omega2(samples_of(mixed, noise=0.1, count=(300,)))) == pytest.approx(quiet, abs=0.05)


def test_f_is_that_of_repeated_measures():
    samples = samples_of(ADDITIVE + CROSSED / 4, noise=0.1)
    samples[:2, 3] *= 4  # near the best by two of the seeds only
    found = effects(samples, sharp=True).p
    assert interaction(samples).p == pytest.approx(min(1, 2 * np.median(found)))
    for who, p in zip(half_splits(4, fewest=2), found, strict=True):
        inside = [np.flatnonzero(weights) for weights in region(samples[who].mean(0))]
        y = np.log(samples[~who])[np.ix_([0, 1], *inside)]
        y = y - y.mean(1, keepdims=True) - y.mean(2, keepdims=True) + y.mean((1, 2), keepdims=True)
        df = (len(inside[0]) - 1) * (len(inside[1]) - 1)
        F = (2 * (y.mean(0) ** 2).sum() / df) / (((y - y.mean(0)) ** 2).sum() / df)
        assert p == pytest.approx(stats.f.sf(F, df, df))


def test_the_region_is_chosen_without_bias():
    """Noise alone: the region gathers lucky cells, and their luck must not look like interaction."""
    p = [interaction(samples_of(np.zeros((5, 6)), noise=0.5, random=i)) for i in range(100)]
    assert sum(not isinstance(one, NotIdentified) and one.p <= 0.05 for one in p) <= 5


def test_the_region_ends_at_twice_the_errors_and_has_two_rows_and_columns():
    errors = np.array([[0.1, 0.5, 0.12], [0.19, 0.6, 0.4], [0.25, 0.21, 0.3]])
    rows, columns = region(errors)
    assert rows == pytest.approx([1, 1 - np.log2(1.9) if 1 - np.log2(1.9) > 0.25 else 0.25, 0])
    assert columns == pytest.approx([1, 0, 1 - np.log2(1.2)])
    rows, columns = region(np.array([[0.1, 0.5], [0.9, 0.8]]))
    assert (rows > 0).all()
    assert (columns > 0).all()


def test_what_cannot_be_said_is_said():
    assert "2 seeds" in interaction(samples_of(CROSSED, seeds=2)).reason
    assert "nothing can interact" in interaction(samples_of(CROSSED[:1])).reason
    assert "no difference" in interaction(np.full((4, 3, 3), 0.1)).reason
    assert isinstance(interaction(samples_of(CROSSED, seeds=3)).omega2.interval(), NotIdentified)
