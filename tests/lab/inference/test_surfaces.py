"""A reduced form of ``benchmarks/surfaces.py``: a corner that diverges, ties, and walls that change with lr."""

import pytest

from benchmarks.surfaces import SURFACES, row

NAMED = {(one.name, one.kappa): one for one in SURFACES}


@pytest.mark.parametrize("surface", [("corner", 0.0), ("ties", 1.0), ("plain", 0.0)])
def test_kappa_is_found_narrowly_and_truly_and_nothing_is_called_what_it_is_not(surface):
    found = row(NAMED[surface], seeds=4, count=40)
    assert found.inside >= 0.9
    assert found.identified >= 0.9
    assert found.half_width <= 0.35
    assert found.coverage >= 0.85
    assert found.decoupled <= 0.05
    assert found.safe <= 0.05


def test_the_twenty_surfaces_hold_what_the_benchmark_says():
    assert len(SURFACES) == 20
    assert {one.scale for one in SURFACES} == {1e-6, 1, 1e3}
    assert {one.kappa for one in SURFACES} >= {-1.0, 0.0, 1.0, 2.0}
