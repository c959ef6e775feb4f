"""An optimizer whose groups have learning rates of their own keeps them under a study's schedule."""

import torch
from torch import nn

from halflife.lab import OptimizerSpec
from halflife.lab.training import Recipe, Training, TrialBatch
from halflife.lab.training.batches import Batches
from halflife.lab.training.magnitudes import record_magnitudes
from halflife.lab.training.schedules import SCHEDULES, ScheduledLr
from halflife.lab.training.sequential import SequentialTrainer

from .training_cases import training

LR, LAM, EPOCHS = 0.1, 0.0, 2
SHARES = (1.0, 0.1)


def both(params, lr, weight_decay):
    """SGD whose second group is slower."""
    params = list(params)
    groups = [{"params": [p], "lr": lr * share} for p, share in zip(params, SHARES, strict=True)]
    return torch.optim.SGD(groups, weight_decay=weight_decay)


SPEC = OptimizerSpec("both", "both", "", both)
BATCH = TrialBatch(SPEC, (LR,), (LAM,), (0,))


def task():
    problem = training(lambda: nn.Linear(5, 3)).problem
    return Training(problem, problem.model, Recipe(EPOCHS, 12, "cosine"))


def plainly(one):
    """A loop, each group by torch's own scheduler; the weights, and what the last step changed."""
    torch.manual_seed(0)
    model, batches, steps = one.model(), Batches(one, (0,)), one.steps
    optimizer = both(model.parameters(), LR, LAM)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: SCHEDULES["cosine"](t / steps))
    for _ in range(EPOCHS):
        for x, y in batches.epoch():
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[0]), y[0]).backward()
            before = [p.detach().clone() for p in model.parameters()]
            optimizer.step()
            scheduler.step()
    after = [p.detach() for p in model.parameters()]
    return after, [p - old for p, old in zip(after, before, strict=True)]


def test_a_training_keeps_the_rate_of_each_group():
    one = task()
    with torch.random.fork_rng():
        weights, _ = plainly(one)
        run = SequentialTrainer(one, BATCH)
        begun = [p.detach().clone() for p in run.model.parameters()]
        run.train(lambda share: None, None)
    for start, mine, theirs in zip(begun, run.model.parameters(), weights, strict=True):
        torch.testing.assert_close(mine.detach(), theirs)
        assert (theirs - start).abs().max() > 1e-3


def test_magnitudes_are_of_the_rate_of_each_group():
    one = task()
    with torch.random.fork_rng():
        _, updates = plainly(one)
    recorded = record_magnitudes(one, SPEC, LR, LAM, epochs=(EPOCHS,))
    exponents = torch.cat([u.flatten() for u in updates]).frexp().exponent - 1
    counted = {recorded.first + b: int(n) for b, n in enumerate(recorded.counts["update"][0]) if n}
    assert counted == {int(b): int((exponents == b).sum()) for b in exponents.unique()}


def test_what_goes_on_keeps_them_too(tmp_path):
    """Restored amid the schedule, where all rates are lower than at first."""
    whole, begun, later = (SequentialTrainer(task(), BATCH) for _ in range(3))
    with torch.random.fork_rng():
        whole.train(lambda share: None, None)
        list(begun.steps())
        later.restore(begun.state())
        later.batches.restore(begun.batches.state())
        list(later.steps())
    for mine, theirs in zip(later.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_group_without_a_rate_takes_the_studys_and_so_does_one_that_comes_later():
    p, q = (nn.Parameter(torch.zeros(1)) for _ in range(2))
    optimizer = torch.optim.SGD([{"params": [p], "lr": 0.02}], lr=0.5)
    scheduled = ScheduledLr(optimizer, LR)
    optimizer.add_param_group({"params": [q], "lr": 7.0})
    scheduled.set(0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, LR / 2]
