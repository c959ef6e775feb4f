import numpy as np
import pytest

from halflife.lab import OPTIMIZER_SPECS
from halflife.lab.analysis import findings


class RunRecord:
    """What ``findings`` reads of a ledger's row."""

    def __init__(self, val_error, test_error=0.5, diverged=False):
        self.val_error, self.test_error, self.diverged = val_error, test_error, diverged


def found(*runs, unit="misclassified"):
    return findings(OPTIMIZER_SPECS["adam-p"], (0.1,), (1.0, 2.0), runs, 0.9, unit)


def test_a_run_that_is_missing_is_no_number_and_a_diverged_one_is_a_guess():
    one = found(RunRecord(0.5), None, RunRecord(0.3), RunRecord(float("nan"), diverged=True))
    np.testing.assert_array_equal(one.val, [[[0.5, np.nan]], [[0.3, 0.9]]])
    assert one.missing == ((0, 1),)
    assert one.complete == (1,)
    assert one.diverged.tolist() == [[[False, False]], [[False, True]]]


def test_no_finite_number_is_replaced_and_what_is_worse_stays_worse():
    one = found(RunRecord(0.5), RunRecord(float("inf")), RunRecord(8.9), RunRecord(1e30))
    assert one.diverged.tolist() == [[[False, True]], [[False, False]]]
    np.testing.assert_array_equal(one.val, [[[0.5, 1e30]], [[8.9, 1e30]]])
    assert np.isfinite(one.test).all()


def test_without_a_guess_who_diverged_is_as_bad_as_the_worst():
    runs = (RunRecord(1e-7), RunRecord(float("nan"), float("nan")), RunRecord(3e-6), RunRecord(2e-6))
    one = findings(OPTIMIZER_SPECS["adam-p"], (0.1,), (1.0, 2.0), runs, None)
    np.testing.assert_array_equal(one.val, [[[1e-7, 3e-6]], [[3e-6, 2e-6]]])


def test_where_all_diverged_nothing_is_inferred():
    one = found(*[RunRecord(float("nan"), float("nan")) for _ in range(4)])
    assert one.diverged.all()
    for number in (one.kappa, one.regret, one.interaction, one.near_best):
        assert "every network diverged" in number.reason


def test_the_seeds_that_lack_a_run_are_left_out_of_every_number():
    one = found(RunRecord(0.9), RunRecord(0.1, 0.0), RunRecord(0.3, 0.4), None, RunRecord(0.5, 0.6), RunRecord(0.7))
    assert one.error == pytest.approx(np.array([[0.7, 0.4]]))
    both = found(RunRecord(0.9), RunRecord(0.1, 0.0), RunRecord(0.3, 0.4), None, RunRecord(0.1, 0.6), RunRecord(0.7))
    assert both.val_error.mean == pytest.approx(0.4)
    assert both.test_error.mean == pytest.approx(0.25)


def test_without_a_complete_seed_the_runs_there_are_give_the_best():
    one = found(RunRecord(0.5), None, RunRecord(0.3), None)
    assert one.best == (0, 0)
    assert one.error[0, 0] == pytest.approx(0.4)
    assert np.isnan(one.error[0, 1])
    assert one.val_error.mean == pytest.approx(0.4)
    assert "missing: lr 0.1, λ 2" in one.kappa.reason


def test_a_perfect_cell_has_a_logarithm():
    one = found(RunRecord(0.0), RunRecord(0.2), RunRecord(0.1), RunRecord(0.4))
    assert one.samples.min() == pytest.approx(0.05)
    assert one.val_error.mean == pytest.approx(0.05)


def test_the_unit_is_kept():
    assert found(RunRecord(0.1), RunRecord(0.2), unit="nats").unit == "nats"
