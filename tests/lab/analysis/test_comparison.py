from itertools import product

import numpy as np
import pytest

from halflife.lab import OPTIMIZER_SPECS, Findings
from halflife.lab.analysis import compare, comparison_words
from halflife.lab.analysis.comparison import holm, honest_scores, seeds_needed, sign_flip, smallest_p
from halflife.lab.inference import NotIdentified


def found(name, val, test=None, lams=(0.1, 1.0)):
    val = np.asarray(val, dtype=float)
    return Findings(OPTIMIZER_SPECS[name], (0.1,), lams, val, val if test is None else np.asarray(test), val < 0)


def flat(name, best, seeds=4, random=0):
    """One lr, two λ, the first of which is better."""
    noise = 0.001 * np.random.default_rng(random).standard_normal((seeds, 1, 2))
    return found(name, np.array([best, best + 0.1]) + noise)


def test_sign_flips_are_counted():
    assert sign_flip(np.ones(4)) == 2 / 16
    assert sign_flip(np.array([1.0, 1, 1, -1])) == 10 / 16
    assert sign_flip(np.zeros(4)) == 1
    differences = np.random.default_rng(0).standard_normal(6) + 0.5
    flips = [abs(np.dot(signs, differences)) for signs in product((1, -1), repeat=6)]
    assert sign_flip(differences) == np.mean([flip >= flips[0] - 1e-12 for flip in flips])


def test_many_seeds_are_flipped_at_random_and_always_alike():
    differences = np.random.default_rng(0).standard_normal(20) + 0.4
    exact = np.mean(
        np.abs(np.random.default_rng(1).choice([-1, 1], (200_000, 20)) @ differences) >= differences.sum() - 1e-12
    )
    assert sign_flip(differences) == pytest.approx(exact, abs=0.01)
    assert sign_flip(differences) == sign_flip(differences)
    assert sign_flip(np.ones(20)) == 1e-4


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1, 1]


def test_what_seeds_can_show():
    assert smallest_p(4) == 1 / 8
    assert [seeds_needed(1), seeds_needed(4), seeds_needed(5)] == [6, 8, 8]


def test_each_seed_is_scored_at_the_cell_that_the_others_choose():
    """Seed 0 alone likes λ = 1; its own score must be at the others' choice, λ = 0.1."""
    val = [[[0.9, 0.0]], [[0.1, 0.2]], [[0.1, 0.2]]]
    test = [[[1.0, 2.0]], [[3.0, 4.0]], [[5.0, 6.0]]]
    assert honest_scores(found("adam-p", val, test)).tolist() == [1.0, 4.0, 6.0]


def test_the_leader_is_set_against_each_other_optimizer():
    compared = compare([flat("adam-p", 0.3), flat("sgdw", 0.1, random=1), flat("adam-l2", 0.2, random=2)])
    assert [(one.leader, one.other) for one in compared] == [("SGDW", "AdamP"), ("SGDW", "AdamL2")]
    assert [one.difference.value for one in compared] == pytest.approx([0.2, 0.1], abs=2e-3)
    assert [one.p for one in compared] == [1 / 8, 1 / 8]
    assert [one.p_holm for one in compared] == [1 / 4, 1 / 4]
    words = comparison_words(compared, 4)
    assert "4 seeds cannot show" in words
    assert "1/8" in words
    assert "7 seeds" in words


def test_enough_seeds_show_a_difference_and_name_it():
    compared = compare([flat("adam-p", 0.3, 8), flat("sgdw", 0.1, 8, 1)])
    assert comparison_words(compared, 8).startswith("SGDW differs from AdamP (p = 0.0078)")
    alike = compare([flat("adam-p", 0.1, 8), flat("sgdw", 0.1, 8, 1)])
    assert "no difference is shown" in comparison_words(alike, 8)


def test_what_cannot_be_compared():
    assert isinstance(compare([flat("adam-p", 0.3)]), NotIdentified)
    assert "one seed" in compare([flat("adam-p", 0.3, 1), flat("sgdw", 0.1, 1)]).reason
    hole = flat("adam-p", 0.3)
    hole.val[1, 0, 0] = np.nan
    assert "same seeds" in compare([hole, flat("sgdw", 0.1)]).reason
