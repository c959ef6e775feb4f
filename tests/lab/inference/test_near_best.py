import numpy as np
import pytest
from scipy import stats

from halflife.lab.inference import NotIdentified, near_best
from halflife.lab.inference.near_best import dunnett


def test_without_noise_only_the_best_is_left_and_with_noise_its_likes():
    errors = np.array([[0.10, 0.11, 0.3], [0.105, 0.2, 0.4]])
    noise = np.random.default_rng(0).standard_normal((4, 2, 3))
    assert near_best(errors + 1e-5 * noise) == ((0, 0),)
    assert set(near_best(errors + 0.02 * noise)) == {(0, 0), (0, 1), (1, 0)}
    assert near_best(errors + 0.02 * noise)[0] == np.unravel_index((errors + 0.02 * noise).mean(0).argmin(), (2, 3))


def test_what_all_cells_of_a_seed_share_tells_none_from_another():
    errors = np.array([[0.10, 0.11, 0.3], [0.105, 0.2, 0.4]])
    shared = 0.1 * np.random.default_rng(0).standard_normal((4, 1, 1))
    assert near_best(errors + shared) == ((0, 0),)


def test_the_best_is_in_the_set_as_often_as_promised():
    """The worst case: all cells are alike, and one of them is called the best."""
    noise = np.random.default_rng(0).standard_normal((1000, 4, 4, 5))
    kept = np.mean([(0, 0) in near_best(1 + 0.01 * sample) for sample in noise])
    assert kept == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("df", [3, 20, 100])
def test_dunnett_for_one_other_is_students_t_and_grows_with_their_number(df):
    assert dunnett(1, df, 0.95) == pytest.approx(stats.t.ppf(0.95, df), rel=5e-3)
    assert dunnett(1, df, 0.95) < dunnett(5, df, 0.95) < dunnett(50, df, 0.95)


def test_dunnett_for_many_is_what_a_simulation_says():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((100_000, 10))
    s = np.sqrt(rng.chisquare(12, 100_000) / 12)
    drawn = (z[:, 1:] - z[:, :1]).max(1) / np.sqrt(2) / s
    assert dunnett(9, 12, 0.95) == pytest.approx(np.quantile(drawn, 0.95), abs=0.03)


def test_one_seed_and_one_cell():
    assert isinstance(near_best(np.ones((1, 3, 3))), NotIdentified)
    assert near_best(np.ones((4, 1, 1))) == ((0, 0),)
