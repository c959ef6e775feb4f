"""How many times as fast are networks trained in stacks as by one plain loop a core? ``python benchmarks/study.py``

Both sides train the cells of the default study's AdamW on digits, in the same single-threaded worker processes, one a
core, taking turns: ours a batch as the study cuts it, theirs a tight loop with ``torch.optim.AdamW(fused=True)``, data
in memory, the learning rate set by hand, scores at the end. Making, recording and scoring are counted on both sides,
imports on neither. Wall and CPU seconds a network, medians over the rounds.

``--trial`` times what a study spends on comparing a stack with a network alone before it believes the stack, beside the
default study. ``--old CHECKOUT`` times the study of two checkouts, this one and an older one, in pairs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from math import cos, pi
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from halflife.lab.config.grids import grids_of
from halflife.lab.config.optimizers import OPTIMIZER_SPECS
from halflife.lab.config.settings import Settings
from halflife.lab.config.task import training_of
from halflife.lab.execution import autotune, batches_of, run_jobs, shared_out
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


class Spent(NamedTuple):
    """Wall and CPU seconds."""

    wall: float
    cpu: float


def default_training() -> tuple[Training, list[Any]]:
    """What the default study trains, and its grids."""
    settings = Settings()
    return training_of(settings, ExecutionConfig()), list(grids_of(settings))


def trial() -> dict[str, Spent]:
    """As a study begins, once and cold: the whole trial, and in it the comparison of a stack with a network alone."""
    training, grids = default_training()
    comparison, spent = autotune.disagreement, dict[str, Spent]()

    def watched(*arguments: Any) -> str:
        wall, cpu = time.perf_counter(), time.thread_time()
        answer = comparison(*arguments)
        spent["comparison"] = Spent(time.perf_counter() - wall, time.thread_time() - cpu)
        return answer

    autotune.disagreement = watched
    wall, cpu = time.perf_counter(), time.process_time()
    autotune.choose_mode(training, grids[0].spec)
    return {**spent, "trial": Spent(time.perf_counter() - wall, time.process_time() - cpu)}


def batch_seconds(training: Training, batch: TrialBatch, progress: Callable[[float], None]) -> float:
    """The job of a worker: CPU seconds of one of the study's stacks."""
    cpu = time.thread_time()
    train_vectorized(training, batch)
    return time.thread_time() - cpu


def compare_trial(rounds: int) -> None:
    """Print the share of the trial and of the comparison in the default study, rounds of all three interleaved.

    CPU seconds: the trial's are the wall seconds that it takes of a study whose workers all wait for it. The study's
    are those of one stack of each optimizer, times its stacks, over the workers: its start, its ledger and its pictures
    are left out, with which the shares would be smaller.
    """
    training, grids = default_training()
    workers = os.cpu_count() or 1
    cut = [batches_of(training, grid.replicas(), workers) for grid in grids]
    spent, study = list[dict[str, Spent]](), list[float]()
    for _ in range(rounds):
        answer = subprocess.run([sys.executable, __file__, "--one-trial"], capture_output=True, text=True, check=True)
        spent.append({name: Spent(*seconds) for name, seconds in json.loads(answer.stdout).items()})
        done = run_jobs(partial(batch_seconds, training), [batches[0] for batches in cut], shared_out)
        seconds = {index: result for index, result, _ in done}
        networks = [sum(map(len, batches)) / len(batches[0]) for batches in cut]
        study.append(sum(seconds[i] * networks[i] for i in seconds) / workers)
        print(f"  study {study[-1]:.1f} s, trial {spent[-1]['trial'].cpu:.2f} s", file=sys.stderr, flush=True)
    for name in ("trial", "comparison"):
        seconds = median(one[name].cpu for one in spent)
        shares = [one[name].cpu / (whole + one["trial"].cpu) for one, whole in zip(spent, study, strict=True)]
        print(
            f"{name}: {seconds:.3f} CPU seconds ({median(one[name].wall for one in spent):.3f} wall), "
            f"{median(shares):.2%} of the default study ({median(study):.1f} s on {workers} cores; "
            f"{min(shares):.2%} to {max(shares):.2%} in {rounds} rounds)"
        )


def whole_study(checkout: Path, epochs: int) -> Spent:
    """The default study of a checkout, by its command, with its processes."""
    program = "from halflife.cli import main; main()"
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-c", program, "study", "digits", "--epochs", str(epochs), "--out", folder]
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(checkout / "src")},
            stdout=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"the study of {checkout} ended with status {process.returncode}.")
        return Spent(time.perf_counter() - begun, used.ru_utime + used.ru_stime)


def compare_checkouts(old: Path, new: Path, epochs: int, rounds: int) -> None:
    """Print the medians of both, and of their ratios in pairs that are neighbours in time, each in both orders."""
    has_native = {path: any((path / "src/halflife/engines").glob("libhalflife_native.*")) for path in (old, new)}
    if len(set(has_native.values())) > 1:
        lacking = next(path for path, has in has_native.items() if not has)
        raise SystemExit(
            f"{lacking} has no native engine and the other one has: build it there as well, or in neither."
        )
    pairs = list[dict[str, Spent]]()
    for index in range(rounds):
        order = (("old", old), ("new", new))[:: 1 if index % 2 == 0 else -1]
        pairs.append({name: whole_study(path, epochs) for name, path in order})
        print(f"  pair {index + 1}: {pairs[-1]}", file=sys.stderr, flush=True)
    for what in Spent._fields:
        before, now = ([getattr(pair[name], what) for pair in pairs] for name in ("old", "new"))
        ratios = [a / b for a, b in zip(now, before, strict=True)]
        print(
            f"default study of {epochs} epochs, {what} seconds: {median(now):.1f} now, {median(before):.1f} before; "
            f"ratio of neighbours {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}, {rounds} pairs)"
        )


def main() -> None:
    """What is asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=100, help="of the MLP; the ResNet gets a twentieth of them")
    parser.add_argument("--trial", action="store_true", help="the cost of comparing a stack before it is believed")
    parser.add_argument("--one-trial", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--old", type=Path, help="an older checkout, beside whose study this one's is timed")
    parser.add_argument("--new", type=Path, default=Path(__file__).resolve().parents[1], help="instead of this one")
    options = parser.parse_args()
    if options.one_trial:
        print(json.dumps(trial()))
    elif options.trial:
        compare_trial(options.rounds)
    elif options.old:
        compare_checkouts(options.old.resolve(), options.new.resolve(), options.epochs, options.rounds)
    else:
        compare_with_loops(options.rounds, options.epochs)


def compare_with_loops(rounds: int, whole: int) -> None:
    """Print the ratios of one interleaved run for each model."""
    problem = digits()
    for name, model in MODELS.items():
        small = name.startswith("MLP")
        epochs = whole if small else max(1, whole // 20)
        training = Training(problem, model, Recipe(epochs, Settings().batch_size))
        seconds, n = compare(training, rounds, few=24 if small else 8)
        (wall, cpu), (their_wall, their_cpu) = seconds["ours"], seconds["theirs"]
        print(
            f"{name}, stacks of {n}: {their_wall / wall:.2f} × a plain loop with torch's fused AdamW in wall seconds, "
            f"{their_cpu / cpu:.2f} × in CPU seconds ({1e3 * cpu:.1f} against {1e3 * their_cpu:.1f} ms of a core a "
            f"network of {epochs} epochs)",
            flush=True,
        )


if __name__ == "__main__":
    main()
