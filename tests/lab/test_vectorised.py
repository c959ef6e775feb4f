"""A replica in the stack is the training that one would do alone."""

import math
from itertools import product

import pytest
import torch
from torch.nn.functional import cross_entropy

import halflife
from halflife.lab.executors import Recipe, Replicas, Training, local, train, train_stack
from halflife.lab.models import mlp
from halflife.lab.optimizers import CONTENDERS
from halflife.lab.problems import Problem, Split

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
        model=lambda: mlp(5, 7, 3),
        chance=2 / 3,
    )


def training(dtype=torch.float64):
    return Training(problem(dtype), lambda: mlp(5, 7, 3), Recipe(EPOCHS, BATCH))


CELLS = tuple(product(LRS, LAMS))


def replicas(name, cells=CELLS, seeds=SEEDS):
    lrs, lams = zip(*cells, strict=True)
    return Replicas(CONTENDERS[name], lrs, lams, seeds)


def alone(make, lr, seed):
    """The same training as people write it: a loop, an optimizer, a scheduler."""
    data = problem().train
    torch.manual_seed(seed)
    model = mlp(5, 7, 3).double()
    optimizer = make(model.parameters(), lr=lr)
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
    "adam-l2": lambda p, lr, λ: halflife.AdamL2(p, lr=lr, weight_decay=λ),
    "adamw-torch": lambda p, lr, λ: torch.optim.AdamW(p, lr=lr, weight_decay=λ),
    "adamw-paper": lambda p, lr, λ: halflife.AdamW(p, lr=lr, weight_decay=λ, decay="independent"),
    "prox-adam": lambda p, lr, λ: halflife.ProxAdam(p, lr=lr, weight_decay=λ),
    "adam-p": lambda p, lr, λ: halflife.AdamP(p, lr=lr, weight_decay=λ),
    "sgd-l2": lambda p, lr, λ: torch.optim.SGD(p, lr=lr, momentum=0.9, weight_decay=λ),
    "sgdw": lambda p, lr, λ: halflife.SGDW(p, lr=lr, weight_decay=λ),
}


@pytest.mark.parametrize("name", CONTENDERS)
def test_a_stacked_replica_is_the_training_done_alone(name):
    outcome = train(training(), replicas(name))
    for (s, seed), (c, (lr, λ)) in product(enumerate(SEEDS), enumerate(product(LRS, LAMS))):
        loss, error, norm = alone(lambda p, lr, λ=λ: FACES[name](p, lr, λ), lr, seed)
        assert outcome.val.loss[s, c].item() == pytest.approx(loss.item(), rel=1e-9)
        assert outcome.val.error[s, c].item() == pytest.approx(error.item(), rel=1e-9)
        assert outcome.weight_norm[s, c].item() == pytest.approx(norm.item(), rel=1e-9)
    assert not outcome.diverged.any()
    assert outcome.val.loss.unique().numel() == outcome.val.loss.numel(), "cells or seeds share a training"


def test_a_replica_that_diverges_is_flagged_and_disturbs_nobody():
    healthy, sick = ((1e-3, 0.01), (3e-2, 0.3)), (1e-2, 1e12)
    without = train(training(torch.float32), replicas("adamw-torch", healthy))
    among = train(training(torch.float32), replicas("adamw-torch", (healthy[0], sick, healthy[1])))
    assert among.diverged.tolist() == [[False, True, False]] * len(SEEDS)
    for split_name in ("train", "val", "test"):
        for mine, theirs in zip(getattr(without, split_name), getattr(among, split_name), strict=True):
            torch.testing.assert_close(theirs[:, [0, 2]], mine, rtol=1e-6, atol=1e-7)


def test_the_same_seeds_give_the_same_bits_and_other_seeds_others():
    first, again = (train(training(torch.float32), replicas("adam-p")) for _ in range(2))
    for mine, theirs in zip(first.val, again.val, strict=True):
        assert torch.equal(mine, theirs)
    other = train(training(torch.float32), replicas("adam-p", seeds=(3, 4, 5)))
    assert not torch.equal(first.val.loss, other.val.loss)


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 100])
def test_the_shares_put_together_are_the_whole(workers):
    whole = replicas("adam-p")
    rows = local._shares(whole, workers)
    assert [seed for row in rows for seed in row[0].seeds] == list(SEEDS)
    for row in rows:
        assert [cell for share in row for cell in zip(share.lrs, share.lams, strict=True)] == list(product(LRS, LAMS))
    assert sum(len(share) for row in rows for share in row) == len(whole)
    assert sum(map(len, rows)) >= min(workers, len(whole))


def test_sharing_out_changes_nothing_but_rounding(monkeypatch):
    whole = train_stack(training(), replicas("adamw-paper"), lambda share: None)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    shared = train(training(), replicas("adamw-paper"))
    torch.testing.assert_close(shared.test.loss, whole.test.loss, rtol=1e-12, atol=0)
    torch.testing.assert_close(shared.weight_norm, whole.weight_norm, rtol=1e-12, atol=0)


def test_no_setting_of_the_callers_thread_is_touched():
    threads, tiny = torch.get_num_threads(), torch.tensor(1e-40)
    train(training(), replicas("adam-l2"))
    assert torch.get_num_threads() == threads
    assert (tiny * 0.5).item() > 0, "the caller's denormals are flushed"


def test_what_stops_the_listener_stops_the_training(monkeypatch):
    monkeypatch.setattr(local, "HEARTBEAT", 0.001)
    long = Training(problem(), lambda: mlp(5, 7, 3), 100_000, BATCH)

    def interrupt(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(long, replicas("adam-l2"), interrupt)


def test_a_fault_in_a_worker_reaches_the_caller():
    wrong = Training(problem(), lambda: mlp(4, 7, 3), EPOCHS, BATCH)
    with pytest.raises(RuntimeError, match="size"):
        train(wrong, replicas("adam-l2"))
