"""Parcels are as few as fit, make up the whole, and are the same every time; a trial says which way to train."""

from itertools import product

import pytest
import torch
from torch import nn

from halflife.lab.config.optimizers import OPTIMIZER_SPECS
from halflife.lab.execution import AutotuneDecision, batches_of, choose_mode
from halflife.lab.execution.batching import bytes_of, cut

from .training_cases import replicas, training

WHOLE = replicas(cells=tuple(product((1e-3, 1e-2, 0.1), (0.1, 0.2, 0.3, 0.4, 0.5))), seeds=(0, 1, 2, 3))


def jobs(some):
    return list(product(some.seeds, zip(some.lrs, some.lams, strict=True)))


@pytest.mark.parametrize(
    ("capacity", "workers", "expected"),
    [(60, 1, 1), (60, 2, 2), (59, 1, 2), (15, 2, 4), (14, 2, 5), (1, 2, 60), (60, 9, 2)],
)
def test_they_are_as_few_as_fit_and_make_up_the_whole(capacity, workers, expected):
    rows = cut(WHOLE, capacity, workers)
    parts = [part for row in rows for part in row]
    assert len(parts) == expected
    assert all(len(part) <= capacity for part in parts)
    assert sorted(job for part in parts for job in jobs(part)) == sorted(jobs(WHOLE))
    assert cut(WHOLE, capacity, workers) == rows


def test_memory_bounds_them_and_singly_each_is_by_itself():
    given = training()
    one = bytes_of(given, WHOLE.spec)
    assert [len(part) for part in batches_of(given, WHOLE, 1, 60 * one)] == [60]
    assert all(len(part) <= 20 for part in batches_of(given, WHOLE, 2, 40 * one))
    assert len(batches_of(given, WHOLE, 2, 1)) == 60, "one replica at a time must do, however little memory there is"
    assert [jobs(part) for part in batches_of(given, WHOLE, 2, way="singly")] == [[job] for job in jobs(WHOLE)]


def test_a_stack_fits_in_the_cache_as_far_as_it_is_still_worth_a_worker(monkeypatch):
    given = training()
    monkeypatch.setitem(batches_of.__globals__, "CACHED", 30 * bytes_of(given, WHOLE.spec))
    assert [len(part) for part in batches_of(given, WHOLE, 1)] == [30, 30]
    monkeypatch.setitem(batches_of.__globals__, "CACHED", 1)
    assert max(len(part) for part in batches_of(given, WHOLE, 1)) == 20, "the most that 60 give under 24"


def test_what_a_replica_takes_grows_with_batch_and_states():
    given = training(lambda: nn.Sequential(nn.Linear(5, 100), nn.ReLU(), nn.Linear(100, 3)))
    adam, sgd = (bytes_of(given, OPTIMIZER_SPECS[name]) for name in ("adam-l2", "sgdw"))
    weights = 4 * (600 + 303)
    assert adam == sgd + 2 * weights
    assert adam >= 4 * weights + 8 * 100 * 4, "the hidden layer is kept for the backward pass"


class Decides(nn.Module):
    """What no stack can do: a choice by what is computed."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, x):
        y = self.layer(x)
        return y if y.sum() > 0 else 2 * y


def test_a_model_that_cannot_be_stacked_is_trained_singly():
    verdict = choose_mode(training(Decides), OPTIMIZER_SPECS["adamw-paper"])
    assert verdict.way == "singly"
    assert "cannot be stacked" in verdict.why


@pytest.mark.parametrize(("stacked", "alone", "way"), [(1e-3, 2e-3, "stacked"), (2e-2, 1e-3, "singly")])
def test_the_faster_way_is_taken(monkeypatch, stacked, alone, way):
    from halflife.lab.execution import autotune

    times = {"VectorizedTrainer": stacked * autotune.REPLICAS, "SequentialTrainer": alone}
    monkeypatch.setattr(autotune, "_seconds", lambda make: times[type(make()).__name__])
    decision = choose_mode(training(), OPTIMIZER_SPECS["adamw-paper"])
    figures = f"{1e3 * stacked:.3g} ms of a core a network and step in a stack, {1e3 * alone:.3g} ms alone"
    assert decision == AutotuneDecision(way, figures, pytest.approx(min(stacked, alone)))


def test_the_trial_of_a_small_model_ends_and_leaves_no_trace():
    state = torch.get_rng_state()
    assert "ms alone" in choose_mode(training(), OPTIMIZER_SPECS["adamw-paper"]).why
    assert torch.equal(torch.get_rng_state(), state)
