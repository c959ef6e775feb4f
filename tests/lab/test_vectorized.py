"""A replica, in the stack and singly, is the training that one would do alone."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import halflife
from halflife.lab.config.optimizers import OPTIMIZER_SPECS
from halflife.lab.models import mlp
from halflife.lab.problems import Problem, Split
from halflife.lab.training import Recipe, Training, TrialBatch
from halflife.lab.training.sequential import train_sequentially
from halflife.lab.training.vectorized import train_vectorized

LRS, LAMS, SEEDS, EPOCHS, BATCH = (1e-3, 3e-2), (0.01, 0.3), (0, 1, 2), 3, 8


def split(n, generator, dtype):
    inputs = torch.randn(n, 5, generator=generator, dtype=dtype)
    return Split(inputs, (inputs[:, :3].argmax(1) + (inputs[:, 3] > 1)) % 3)


def problem(dtype=torch.float64):
    g = torch.Generator().manual_seed(7)
    return Problem(
        "toy",
        "a toy",
        split(36, g, dtype),
        split(30, g, dtype),
        split(30, g, dtype),
        model=lambda: mlp(5, 20, 3),
        chance=2 / 3,
    )


def training(dtype=torch.float64):
    """One layer on either side of ``stack_ops.NARROW``."""
    return Training(problem(dtype), lambda: mlp(5, 20, 3), Recipe(EPOCHS, BATCH))


CELLS = tuple(product(LRS, LAMS))


def replicas(name, cells=CELLS, seeds=SEEDS):
    lrs, lams = zip(*cells, strict=True)
    return TrialBatch(OPTIMIZER_SPECS[name], lrs, lams, seeds)


def alone(make, lr, seed):
    """The same training as people write it: a loop, an optimizer, a scheduler."""
    data = problem().train
    torch.manual_seed(seed)
    model = mlp(5, 20, 3).double()
    optimizer = make(model, lr=lr)
    steps = EPOCHS * (len(data) // BATCH)
    cosine = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: (1 + math.cos(math.pi * t / steps)) / 2)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        order = torch.randperm(len(data), generator=generator)
        for chosen in order.split(BATCH)[: len(data) // BATCH]:
            optimizer.zero_grad()
            cross_entropy(model(data.inputs[chosen]), data.targets[chosen]).backward()
            optimizer.step()
            cosine.step()
    with torch.no_grad():
        val = problem().val
        logits = model(val.inputs)
        norm = torch.cat([p.flatten() for p in model.parameters()]).norm()
        return cross_entropy(logits, val.targets), (logits.argmax(1) != val.targets).double().mean(), norm


FACES = {
    "adam-l2": lambda m, lr, λ: halflife.AdamL2(m.parameters(), lr=lr, weight_decay=λ),
    "adamw-torch": lambda m, lr, λ: torch.optim.AdamW(m.parameters(), lr=lr, weight_decay=λ),
    "adamw-paper": lambda m, lr, λ: halflife.AdamW(m.parameters(), lr=lr, weight_decay=λ, decay="independent"),
    "prox-adam": lambda m, lr, λ: halflife.ProxAdam(m.parameters(), lr=lr, weight_decay=λ),
    "adam-p": lambda m, lr, λ: halflife.AdamP(m.parameters(), lr=lr, weight_decay=λ),
    "sgd-l2": lambda m, lr, λ: torch.optim.SGD(m.parameters(), lr=lr, momentum=0.9, weight_decay=λ),
    "sgdw": lambda m, lr, λ: halflife.SGDW(m.parameters(), lr=lr, weight_decay=λ),
}


MODES = {"stacked": train_vectorized, "singly": train_sequentially}


def ways(name):
    """A rule of matrices has no stack: what it makes of one matrix depends on all of it."""
    return ["singly"] if OPTIMIZER_SPECS[name].matrix else [*MODES]


RUNS = [(name, way) for name, spec in OPTIMIZER_SPECS.items() if not spec.refusal(mlp(5, 20, 3)) for way in ways(name)]


@pytest.mark.parametrize(("name", "way"), RUNS)
def test_a_replica_is_the_training_done_alone(name, way):
    outcome = MODES[way](training(), replicas(name))
    for (s, seed), (c, (lr, λ)) in product(enumerate(SEEDS), enumerate(CELLS)):
        make = FACES.get(name, OPTIMIZER_SPECS[name].build)
        loss, error, norm = alone(lambda model, lr, λ=λ, make=make: make(model, lr, λ), lr, seed)
        assert outcome.val.loss[s, c].item() == pytest.approx(loss.item(), rel=1e-9)
        assert outcome.val.error[s, c].item() == pytest.approx(error.item(), rel=1e-9)
        assert outcome.weight_norm[s, c].item() == pytest.approx(norm.item(), rel=1e-9)
    assert not outcome.diverged.any()
    assert outcome.val.loss.unique().numel() == outcome.val.loss.numel(), "cells or seeds share a training"


def same(one, other, rtol=1e-9):
    """Whether two outcomes are equal, curves and all, up to rounding."""
    for mine, theirs in zip(flat(one), flat(other), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=rtol, atol=0, equal_nan=True)


def flat(outcome):
    if isinstance(outcome, tuple):
        return [x for part in outcome for x in flat(part)]
    return [] if outcome is None else [outcome]


def image_net():
    """BatchNorm in training and evaluation, a convolution, a linear layer without bias."""
    return nn.Sequential(
        *(nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 4, 3, padding=1), nn.BatchNorm1d(4), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(20, 6, bias=False), nn.BatchNorm1d(6), nn.Linear(6, 3)),
    )


def jitter(inputs, generator):
    return inputs + 0.1 * torch.randn(inputs.shape, generator=generator, dtype=inputs.dtype)


@pytest.mark.parametrize("seeds", [(0,), SEEDS])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_batch_norm_augmentation_and_curves_are_the_same_both_ways(seeds, scale):
    recipe = Recipe(EPOCHS, BATCH, loss_scale=scale, curves=True)
    given = Training(replace(problem(), augment=jitter), image_net, recipe)
    stacked, singly = (way(given, replicas("adamw-paper", seeds=seeds)) for way in MODES.values())
    same(stacked, singly, 1e-7)
    assert stacked.curves.val_error.shape == (len(seeds), len(CELLS), EPOCHS)
    torch.testing.assert_close(stacked.curves.val_error[..., -1], stacked.val.error)
    torch.testing.assert_close(stacked.curves.weight_norm[..., -1], stacked.weight_norm)
    assert stacked.curves.train_loss.max() < 10, "the loss of a curve is free of its scale"
    without = train_vectorized(Training(problem(), image_net, recipe), replicas("adamw-paper", seeds=seeds))
    assert not torch.equal(without.val.loss, stacked.val.loss)


def dropout_net():
    return nn.Sequential(nn.Linear(5, 40), nn.ReLU(), nn.Dropout(0.5), nn.Linear(40, 3))


@pytest.mark.parametrize("way", MODES)
def test_dropout_is_drawn_anew_at_each_step_and_the_same_again(way):
    given = Training(problem(), dropout_net, Recipe(EPOCHS, BATCH, curves=True))
    state = torch.get_rng_state()
    first, again = (MODES[way](given, replicas("adam-p", ((1e-9, 1e-9), (1e-9, 2e-9)))) for _ in range(2))
    assert all(map(torch.equal, flat(first), flat(again)))
    assert torch.equal(torch.get_rng_state(), state), "the caller's generator has moved"
    losses = first.curves.train_loss  # the weights hardly move, so it is dropout that makes the epochs differ
    assert losses[0, 0].unique().numel() == EPOCHS
    if way == "stacked":
        assert (losses[:, 0] - losses[:, 1]).abs().min() > 1e-4, "two replicas draw the same"


@pytest.mark.parametrize("way", MODES)
def test_a_replica_that_diverges_is_flagged_and_disturbs_nobody(way):
    healthy, sick = ((1e-3, 0.01), (3e-2, 0.3)), (1e-2, 1e12)
    without = MODES[way](training(torch.float32), replicas("adamw-torch", healthy))
    among = MODES[way](training(torch.float32), replicas("adamw-torch", (healthy[0], sick, healthy[1])))
    assert among.diverged.tolist() == [[False, True, False]] * len(SEEDS)
    for split_name in ("train", "val", "test"):
        for mine, theirs in zip(getattr(without, split_name), getattr(among, split_name), strict=True):
            torch.testing.assert_close(theirs[:, [0, 2]], mine, rtol=1e-6, atol=1e-7)


def test_the_same_seeds_give_the_same_bits_and_other_seeds_others():
    first, again = (train_vectorized(training(torch.float32), replicas("adam-p")) for _ in range(2))
    assert all(map(torch.equal, flat(first), flat(again)))
    other = train_vectorized(training(torch.float32), replicas("adam-p", seeds=(3, 4, 5)))
    assert not torch.equal(first.val.loss, other.val.loss)


def masked_loss(outputs, targets):
    return cross_entropy(outputs, torch.where(targets == 0, -100, targets))


@pytest.mark.parametrize(
    "loss",
    [
        masked_loss,
        lambda z, y: cross_entropy(z, y, label_smoothing=0.1),
        lambda z, y: cross_entropy(z, y, torch.tensor([1.0, 2.0, 3.0], dtype=z.dtype)),
        lambda z, y: (z.softmax(1) - nn.functional.one_hot(y, 3)).square().mean(),
    ],
    ids=["ignored targets", "smoothed", "weighted", "squared"],
)
def test_any_loss_is_the_same_both_ways(loss):
    given = Training(replace(problem(), loss=loss), lambda: mlp(5, 20, 3), Recipe(EPOCHS, BATCH, curves=True))
    stacked, singly = (way(given, replicas("adam-l2")) for way in MODES.values())
    same(stacked, singly)


class Counts(nn.Module):
    """A sequence of linear layers on inputs of three dimensions, with tied weights."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(5, 5), nn.Linear(5, 5)
        self.second.weight = self.first.weight
        self.last = nn.Linear(5, 3)

    def forward(self, x):
        pairs = torch.stack([x, -x], 1)
        return self.last(self.second(self.first(pairs).tanh()).tanh()).mean(1)


def test_tied_weights_and_further_dimensions_are_the_same_both_ways():
    given = Training(problem(), Counts, Recipe(EPOCHS, BATCH))
    same(train_vectorized(given, replicas("sgdw")), train_sequentially(given, replicas("sgdw")))


def loss_with_an_edge(outputs, targets):
    """Infinite beyond the edge, with a gradient that is finite."""
    return cross_entropy(outputs, targets) + torch.where(outputs.detach().abs().amax() > 3, torch.inf, 0.0)


def test_what_diverges_is_frozen_where_its_loss_was_finite_last():
    given = Training(
        replace(problem(), loss=loss_with_an_edge), lambda: mlp(5, 20, 3), Recipe(EPOCHS, BATCH, curves=True)
    )
    some = replicas("sgd-l2", ((1e-2, 0.01), (3.0, 0.01)))
    stacked, singly = (way(given, some) for way in MODES.values())
    assert stacked.diverged.tolist() == [[False, True]] * len(SEEDS)
    assert stacked.curves.train_loss[:, 1].isnan().all()
    norms = stacked.curves.weight_norm[:, 1]
    assert torch.equal(norms[:, 0], norms[:, -1]), "it went on after its loss was not finite"
    same(stacked, singly)
