"""Milliseconds of one core an image takes to train on, in fp32 and in bf16 with channels last: ResNet-20 on 32×32.

``python -m benchmarks.precision [rounds]``: interleaved, medians, and their ratio in each round.
"""

from __future__ import annotations

import sys
import time
from statistics import median

import torch

from halflife.lab import OPTIMIZER_SPECS, Problem, Split
from halflife.lab.models import resnet
from halflife.lab.training import Training, TrialBatch
from halflife.lab.training.sequential import SequentialTrainer
from halflife.lab.training.thread_setup import set_up_process
from halflife.lab.training.training import Recipe

BATCH, STEPS = 128, 3


def trainer(precision: str) -> SequentialTrainer:
    """A network whose epoch is ``STEPS`` steps."""
    x = torch.randn(BATCH * STEPS, 3, 32, 32)
    split = Split(x, torch.randint(10, (len(x),)))
    problem = Problem("noise", "", split, split, split, lambda: resnet(20, batch_norm=False))
    training = Training(problem, problem.model, Recipe(1, BATCH, precision=precision))
    return SequentialTrainer(training, TrialBatch(OPTIMIZER_SPECS["adamw-torch"], (1e-3,), (1e-4,), (0,)))


def main(rounds: str = "5") -> None:
    """Print both and their ratio."""
    set_up_process()
    trainers = {precision: trainer(precision) for precision in ("fp32", "bf16")}
    taken: dict[str, list[float]] = {precision: [] for precision in trainers}
    for number in range(int(rounds) + 1):
        for precision, one in trainers.items():
            start = time.thread_time()
            list(one.steps())
            if number:  # the first one warms up
                taken[precision].append(1e3 * (time.thread_time() - start) / (BATCH * STEPS))
    for precision, times in taken.items():
        print(f"{precision}: {median(times):.2f} ms an image")
    print(f"bf16/fp32: {median(b / a for a, b in zip(taken['fp32'], taken['bf16'], strict=True)):.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
