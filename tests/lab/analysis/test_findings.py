import numpy as np
import pytest

from halflife.lab import CONTENDERS
from halflife.lab.analysis import findings


class Run:
    """What ``findings`` reads of a ledger's row."""

    def __init__(self, val_error, test_error=0.5, diverged=False):
        self.val_error, self.test_error, self.diverged = val_error, test_error, diverged


def found(*runs, unit="misclassified"):
    return findings(CONTENDERS["adam-p"], (0.1,), (1.0, 2.0), runs, 0.9, unit)


def test_a_run_that_is_missing_is_no_number_and_a_diverged_one_is_a_guess():
    one = found(Run(0.5), None, Run(0.3), Run(float("nan"), diverged=True))
    np.testing.assert_array_equal(one.val, [[[0.5, np.nan]], [[0.3, 0.9]]])
    assert one.missing == ((0, 1),)
    assert one.complete == (1,)
    assert one.diverged.tolist() == [[[False, False]], [[False, True]]]


def test_a_run_ten_times_as_bad_as_a_guess_has_diverged_though_it_is_finite():
    one = found(Run(0.5), Run(1e30), Run(8.9), Run(9.1))
    assert one.diverged.tolist() == [[[False, True]], [[False, True]]]
    np.testing.assert_array_equal(one.val, [[[0.5, 0.9]], [[8.9, 0.9]]])


def test_a_guess_that_all_training_is_worse_than_was_none():
    """Who measures in units of his own and leaves ``chance`` at 1."""
    one = found(Run(400.0), Run(float("inf"), diverged=True), Run(3000.0), Run(1e9))
    assert one.best == (0, 0)
    np.testing.assert_array_equal(one.val, [[[400.0, 4000.0]], [[3000.0, 4000.0]]])


def test_the_seeds_that_lack_a_run_are_left_out_of_every_number():
    one = found(Run(0.9), Run(0.1, 0.0), Run(0.3, 0.4), None, Run(0.5, 0.6), Run(0.7))
    assert one.error == pytest.approx(np.array([[0.7, 0.4]]))
    both = found(Run(0.9), Run(0.1, 0.0), Run(0.3, 0.4), None, Run(0.1, 0.6), Run(0.7))
    assert both.val_error.mean == pytest.approx(0.4)
    assert both.test_error.mean == pytest.approx(0.25)


def test_without_a_complete_seed_the_runs_there_are_give_the_best():
    one = found(Run(0.5), None, Run(0.3), None)
    assert one.best == (0, 0)
    assert one.error[0, 0] == pytest.approx(0.4)
    assert np.isnan(one.error[0, 1])
    assert one.val_error.mean == pytest.approx(0.4)
    assert "missing: lr 0.1, λ 2" in one.kappa.reason


def test_a_perfect_cell_has_a_logarithm():
    one = found(Run(0.0), Run(0.2), Run(0.1), Run(0.4))
    assert one.samples.min() == pytest.approx(0.05)
    assert one.val_error.mean == pytest.approx(0.05)


def test_the_unit_is_kept():
    assert found(Run(0.1), Run(0.2), unit="nats").unit == "nats"
