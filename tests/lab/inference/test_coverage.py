"""A reduced form of ``benchmarks/coverage.py``: do the intervals hold the truth as often as they say?"""

import numpy as np
import pytest

from benchmarks.coverage import LRS, cover, studies
from halflife.lab.analysis.verdict import DECOUPLED, judge
from halflife.lab.inference import NotIdentified, kappa


@pytest.fixture(scope="module")
def tallies():
    """Four seeds, 40 studies of each sort."""
    return {
        (shape, tilt): cover(shape, tilt, seeds=4, noise=0.15, count=40)
        for shape, tilt in (("bowl", 0.0), ("walls", 0.5), ("plain", -1.0), ("lopsided", -1.0))
    }


def test_intervals_hold_the_truth_about_as_often_as_they_say(tallies):
    for found in tallies.values():
        assert found.kappa_90 >= 0.85
        assert found.kappa_95 >= 0.9
        assert abs(found.bias) < 0.05
    for name in ("transfer_90", "separate_90", "omega2_90"):
        assert np.mean([getattr(found, name) for found in tallies.values()]) == pytest.approx(0.9, abs=0.08)


def test_no_coupled_surface_is_called_decoupled_and_most_decoupled_ones_are(tallies):
    for (_, tilt), found in tallies.items():
        assert found.decoupled <= 0.05 if tilt else found.decoupled >= 0.8


def test_interaction_is_found_where_it_is_and_not_where_it_is_not(tallies):
    assert tallies["bowl", 0.0].interaction <= 0.05
    assert tallies["walls", 0.5].interaction > 0.9


def test_the_best_cell_is_among_those_not_told_from_it(tallies):
    assert min(found.best for found in tallies.values()) >= 0.93


@pytest.mark.parametrize(("seeds", "count"), [(2, 100), (4, 100), (8, 20)])
@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_where_lambda_does_not_matter_nothing_is_called_decoupled(seeds, noise, count):
    found = [kappa(LRS, study.lams, study.samples) for study in studies("level", 0.0, seeds, noise, count)]
    assert sum(not isinstance(one, NotIdentified) and judge(one.interval()) == DECOUPLED for one in found) <= count / 50
    if noise < 0.1:
        assert all(isinstance(one, NotIdentified) for one in found)


def test_the_bootstrap_of_eight_seeds_covers_too():
    found = [(s.kappa, kappa(LRS, s.lams, s.samples)) for s in studies("lopsided", 0.5, 8, 0.15, 60)]
    assert {one.method for _, one in found} == {"bootstrap"}
    assert np.mean([one.interval().holds(truth) for truth, one in found]) >= 0.88
