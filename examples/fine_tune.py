"""Fine-tuning on a few noisy samples: decay toward zero, toward the pretrained weights (L2-SP), or none at all?

A small network learns scikit-learn's digits. Then it is fine-tuned for digits turned by 29°, on ten samples of each,
with 30 % of their labels redrawn, and is scored on both: on turned digits, and on the upright ones that it knew.

What to learn from it: ``regularizer=TowardInit()`` is all that it takes to decay toward the weights as the optimizer
first found them, under any optimizer of halflife; and what it is good for. Decay toward zero learns the new task best
(76 % against 70 % without) and pays with what the network knew (54 %), because zero is far from there. ``TowardInit``
is no better at the new task than no decay, and forgets far less (79 % against 59 %); λ trades one against the other.

    python examples/fine_tune.py            # half a minute
    python examples/fine_tune.py --quick    # a smoke test: one seed, few steps

Source of the method: Li, Grandvalet & Davoine 2018, https://arxiv.org/abs/1802.01483.
"""

import argparse
import copy
import time
from statistics import mean, stdev

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

import halflife
from halflife.regularizers import TowardInit

LAMBDAS = (1.0, 3.0, 10.0, 30.0, 100.0)
KINDS = {"none": [(0.0, None)], "toward zero": [(λ, None) for λ in LAMBDAS]}
KINDS["toward init"] = [(λ, TowardInit()) for λ in LAMBDAS]
SHOTS, NOISE, TURN = 10, 0.3, 0.5
PRETRAIN, POOL, VALIDATE = slice(0, 700), slice(700, 1000), slice(1000, 1400)
TEST = slice(1400, None)


def turned(images: Tensor, angle: float) -> Tensor:
    """The same pictures, turned about their middle; rows of 64 pixels."""
    a = torch.tensor(angle)
    turn = torch.stack([a.cos(), -a.sin(), a.new_zeros(()), a.sin(), a.cos(), a.new_zeros(())]).view(1, 2, 3)
    grid = affine_grid(turn.expand(len(images), 2, 3), [len(images), 1, 8, 8], align_corners=False)
    return grid_sample(images.view(-1, 1, 8, 8), grid, align_corners=False).reshape(-1, 64)


def train(model: nn.Module, x: Tensor, y: Tensor, optimizer: torch.optim.Optimizer, steps: int) -> None:
    """Batches of at most 100, under a cosine schedule."""
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        batch = torch.randperm(len(x))[:100]
        cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of samples that the model puts in their class."""
    return (model(x).argmax(-1) == y).float().mean().item()


def few_and_noisy(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The first SHOTS samples of each digit, a share of NOISE with labels at random."""
    few = torch.cat([(y == digit).nonzero()[:SHOTS, 0] for digit in range(10)])
    labels, wrong = y[few], torch.rand(len(few)) < NOISE
    labels[wrong] = torch.randint(10, (int(wrong.sum()),))
    return x[few], labels


def one_seed(seed: int, steps: int) -> dict[tuple[str, float], list[float]]:
    """For each decay and λ: validation and test accuracy on turned digits, test accuracy on upright ones."""
    torch.manual_seed(seed)
    pixels, labels = (torch.tensor(part) for part in load_digits(return_X_y=True))
    order = torch.randperm(len(labels))
    upright, y = pixels[order].float() / 16, labels[order]
    new = turned(upright, TURN)
    pretrained = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    train(pretrained, upright[PRETRAIN], y[PRETRAIN], halflife.AdamW(pretrained.parameters(), lr=3e-3), 2 * steps)

    few = few_and_noisy(new[POOL], y[POOL])

    tests = ((new[VALIDATE], y[VALIDATE]), (new[TEST], y[TEST]), (upright[TEST], y[TEST]))
    scores = {("not fine-tuned", 0.0): [accuracy(pretrained, *test) for test in tests]}
    for kind, settings in KINDS.items():
        for λ, regularizer in settings:
            model = copy.deepcopy(pretrained)
            optimizer = halflife.AdamW(model.parameters(), lr=3e-3, weight_decay=λ, regularizer=regularizer)
            train(model, *few, optimizer, steps)
            scores[kind, λ] = [accuracy(model, *test) for test in tests]
    return scores


def main() -> None:
    """All seeds, and a table of their means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    torch.set_num_threads(1)  # a network this small is fastest on one
    quick, start = parser.parse_args().quick, time.perf_counter()
    runs = [one_seed(seed, steps=10 if quick else 150) for seed in range(1 if quick else 8)]

    def score(key: tuple[str, float], which: int) -> str:
        values = [run[key][which] for run in runs]
        error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
        return f"{100 * mean(values):5.1f} ± {100 * error:3.1f} %"

    print(f"{'decay':<16}{'λ':>5}   {'turned (new)':<18}{'upright (known)':<18}")
    for kind in ("not fine-tuned", *KINDS):
        keys = [key for key in runs[0] if key[0] == kind]
        best = max(keys, key=lambda key: mean(run[key][0] for run in runs))
        for key in keys:
            chosen = "  ← best on validation" if key == best and len(keys) > 1 else ""
            print(f"{kind:<16}{key[1]:>5g}   {score(key, 1):<18}{score(key, 2):<18}{chosen}")
    print(f"{len(runs)} seeds, ± standard error of the mean; {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
