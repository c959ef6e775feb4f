"""How many times as fast are networks trained in stacks as by one plain loop a core? ``python benchmarks/study.py``

Both sides train the cells of the default study's AdamW on digits, in the same single-threaded worker processes, one a
core, taking turns: ours a batch as the study cuts it, theirs a tight loop with ``torch.optim.AdamW(fused=True)``, data
in memory, the learning rate set by hand, scores at the end. Making, recording and scoring are counted on both sides,
imports on neither. Wall and CPU seconds a network, medians over the rounds.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from math import cos, pi
from statistics import median

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from halflife.lab.config.grids import grids_of
from halflife.lab.config.optimizers import OPTIMIZER_SPECS
from halflife.lab.config.settings import Settings
from halflife.lab.config.task import training_of
from halflife.lab.execution import batches_of, choose_mode, run_jobs, shared_out
from halflife.lab.execution.agreement import disagreement
from halflife.lab.execution.config import ExecutionConfig
from halflife.lab.models import mlp
from halflife.lab.models.resnet import resnet
from halflife.lab.problems.digits import digits
from halflife.lab.training import Recipe, Training, TrialBatch
from halflife.lab.training.vectorized import train_vectorized

Seconds = tuple[str, float, float]
"""Whose, wall and CPU seconds a network."""

MODELS: dict[str, Callable[[], nn.Module]] = {
    "MLP 64-64-64-10": lambda: mlp(64, 64, 64, 10),
    "ResNet-8 without BatchNorm, 8 channels": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), resnet(8, width=8, batch_norm=False, channels=1)
    ),
}


def plain(training: Training, lr: float, lam: float, seed: int) -> list[torch.Tensor]:
    """One network as a script would train it."""
    problem, size, t = training.problem, training.recipe.batch_size, 0
    inputs, targets = problem.train.inputs, problem.train.targets
    torch.manual_seed(seed)
    model = training.model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=lam, fused=True)
    (group,) = optimizer.param_groups
    for _ in range(training.recipe.epochs):
        for chosen in torch.randperm(len(targets)).split(size)[: training.steps_per_epoch]:
            group["lr"] = lr * (1 + cos(pi * t / training.steps)) / 2
            optimizer.zero_grad()
            cross_entropy(model(inputs[chosen]), targets[chosen]).backward()
            optimizer.step()
            t += 1
    with torch.no_grad():
        outputs = [(model(s.inputs), s.targets) for s in (problem.train, problem.val, problem.test)]
        return [x for z, y in outputs for x in (cross_entropy(z, y), (z.argmax(1) != y).float().mean())]


def timed(training: Training, item: tuple[str, TrialBatch, int], progress: Callable[[float], None]) -> Seconds:
    """The job of a worker: a whole batch in a stack, or its first few networks one by one."""
    whose, replicas, few = item
    cells = list(product(replicas.seeds, zip(replicas.lrs, replicas.lams, strict=True)))
    wall, cpu = time.perf_counter(), time.thread_time()
    if whose == "ours":
        train_vectorized(training, replicas)
    else:
        for seed, (lr, lam) in cells[:few]:
            plain(training, lr, lam, seed)
    n = len(cells) if whose == "ours" else few
    return whose, (time.perf_counter() - wall) / n, (time.thread_time() - cpu) / n


def compare(training: Training, rounds: int, few: int) -> tuple[dict[str, tuple[float, float]], int]:
    """Median wall and CPU seconds a network of both sides, and how many networks our stacks have."""
    workers, spec, settings = os.cpu_count() or 1, OPTIMIZER_SPECS["adamw-torch"], Settings()
    lrs, lams = zip(*product(settings.lrs_of(spec), spec.lams), strict=True)
    whole = TrialBatch(spec, lrs, lams, tuple(range(settings.seeds)))
    batch = batches_of(training, whole, workers)[0]
    warm = [(whose, TrialBatch(spec, lrs[:2], lams[:2], (0,)), 1) for whose in ("ours", "theirs") * workers]
    items = [(whose, batch, few) for _ in range(rounds) for whose in ("theirs", "ours") for _ in range(workers)]
    done = run_jobs(partial(timed, training), [*warm, *items], partial(shared_out, workers=workers))
    measured = [seconds for index, seconds, _ in done if index >= len(warm)]
    return {whose: _medians([s[1:] for s in measured if s[0] == whose]) for whose in ("ours", "theirs")}, len(batch)


def _medians(rows: list[tuple[float, float]]) -> tuple[float, float]:
    return median(wall for wall, _ in rows), median(cpu for _, cpu in rows)


def comparison(rounds: int = 5) -> None:
    """Print what it costs to compare a stack with a network alone before it is believed, of the default study."""
    settings = Settings()
    training, spec = training_of(settings, ExecutionConfig()), OPTIMIZER_SPECS["adamw-torch"]
    taken = list[float]()
    for _ in range(rounds):
        start = time.thread_time()
        disagreement(training, spec)
        taken.append(time.thread_time() - start)
    networks = sum(map(len, grids_of(settings)))
    whole = networks * training.steps * choose_mode(training, spec).seconds
    share = median(taken) / whole
    print(f"comparing a stack with a network alone: {median(taken):.2f} s of a core, {share:.1%} of the default study")


def main() -> None:
    """Print the ratios of one interleaved run for each model."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=100, help="of the MLP; the ResNet gets a twentieth of them")
    options = parser.parse_args()
    problem = digits()
    for name, model in MODELS.items():
        small = name.startswith("MLP")
        epochs = options.epochs if small else max(1, options.epochs // 20)
        training = Training(problem, model, Recipe(epochs, Settings().batch_size))
        seconds, n = compare(training, options.rounds, few=24 if small else 8)
        (wall, cpu), (their_wall, their_cpu) = seconds["ours"], seconds["theirs"]
        print(
            f"{name}, stacks of {n}: {their_wall / wall:.2f} × a plain loop with torch's fused AdamW in wall seconds, "
            f"{their_cpu / cpu:.2f} × in CPU seconds ({1e3 * cpu:.1f} against {1e3 * their_cpu:.1f} ms of a core a "
            f"network of {epochs} epochs)",
            flush=True,
        )


if __name__ == "__main__":
    main()
    comparison()
