from itertools import combinations

import numpy as np
import pytest

from halflife.lab.inference import NotIdentified, regret
from halflife.lab.inference.half_splits import MOST, half_splits, means
from halflife.lab.inference.regret import separate_regret, transfer_regret


def test_by_hand():
    """λ tuned at the first lr costs 0.3 at the second, and 0.5 the other way; apart, two of four starts end wrong."""
    errors = np.array([[0.1, 0.6], [0.5, 0.2]])
    samples = np.stack([errors] * 4)
    assert transfer_regret(samples) == pytest.approx((0.3 + 0.5) / 2)
    ends = [0.1, 0.6, 0.5, 0.2]
    assert separate_regret(samples) == pytest.approx(np.mean(ends) - 0.1)
    found = regret(samples)
    assert found.transfer.interval()[:2] == pytest.approx((0.4, 0.4))


def by_loops(samples):
    seeds, lrs, lams = samples.shape
    transfer, separate = [], []
    for half in {h for size in (seeds // 2, seeds - seeds // 2) for h in combinations(range(seeds), size)}:
        chosen = samples[list(half)].mean(0)
        scored = samples[[s for s in range(seeds) if s not in half]].mean(0)
        own = [chosen[a].argmin() for a in range(lrs)]
        pairs = [scored[b, own[a]] - scored[b, own[b]] for a in range(lrs) for b in range(lrs) if a != b]
        ends = [scored[chosen[:, m].argmin(), own[a]] for a in range(lrs) for m in range(lams)]
        transfer.append(np.mean(pairs))
        separate.append(np.mean(ends) - scored[np.unravel_index(chosen.argmin(), chosen.shape)])
    return np.mean(transfer), np.mean(separate)


@pytest.mark.parametrize("seeds", [2, 3, 4, 5])
def test_both_regrets_are_what_loops_say(seeds):
    samples = np.random.default_rng(seeds).random((3, seeds, 4, 5))
    for one, transfer, separate in zip(samples, transfer_regret(samples), separate_regret(samples), strict=True):
        assert (transfer, separate) == pytest.approx(by_loops(one))


def test_luck_alone_costs_nothing_on_average():
    """Where all cells are alike, choosing and scoring on the same seeds would call each transfer a loss."""
    noise = np.random.default_rng(0).standard_normal((400, 4, 5, 5))
    for lost in (transfer_regret(noise), separate_regret(noise)):
        assert abs(lost.mean()) < 3 * lost.std() / 20


def test_the_halves_are_all_halves_both_ways():
    splits = {tuple(split) for split in half_splits(4).tolist()}
    assert len(splits) == 6
    assert splits == {tuple(not who for who in split) for split in splits}
    assert sorted(half_splits(5).sum(-1)) == [2] * 10 + [3] * 10
    assert (half_splits(3, fewest=2).sum(-1) == 1).all()
    many = half_splits(16)
    assert len(many) == MOST
    assert (many.sum(-1) == 8).all()
    assert (many == half_splits(16)).all()


def test_means_are_over_those_seeds():
    samples = np.random.default_rng(0).random((2, 4, 3, 5))
    found = means(samples, half_splits(4))
    assert found.shape == (2, 6, 3, 5)
    np.testing.assert_allclose(found[1, 0], samples[1, :2].mean(0))


def test_what_cannot_be_said_is_said():
    rng = np.random.default_rng(0)
    assert "one seed" in regret(rng.random((1, 3, 3))).reason
    assert "nothing to transfer" in regret(rng.random((4, 1, 3))).reason
    assert isinstance(regret(rng.random((2, 3, 3))).transfer.interval(), NotIdentified)
    assert not isinstance(regret(rng.random((3, 3, 3))).transfer.interval(), NotIdentified)


def test_many_seeds_are_left_out_by_halves_for_a_resample_would_put_one_into_both_halves():
    found = regret(np.random.default_rng(0).random((9, 3, 3)))
    assert found.transfer.method == found.separate.method == "jackknife-t"
    assert found.transfer.left_out == found.separate.left_out == 4
    assert regret(np.random.default_rng(0).random((3, 3, 3))).transfer.left_out == 1
