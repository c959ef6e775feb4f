"""One cycle, warm-up, and loops of your own: what η is, and when to give base_lr

Under `decay="independent"` a step takes the share η·λ of each weight, where η = lr/(base lr) says how far the schedule
is up: 1 at its peak. The base lr is the lr that a group was added with, or the peak of torch's OneCycleLR or CyclicLR,
which is read from them. A loop that writes `group["lr"]` by itself leaves no trace of its peak. If the optimizer was
made with another lr, DINO's with 0, it has to be said: `base_lr=`.

What to learn from it: the numbers are measured, on a weight without gradients. Rows 1, 3 and 4 agree, and OneCycleLR,
whose warm-up has another shape, takes λ at its peak and λ·lr/peak elsewhere as well. In the last row the optimizer was
made with a tenth of the peak, and the decay is ten times too large; halflife warns of it. One made with lr = 0 and no
`base_lr` is refused.

    python examples/one_cycle.py            # 4 s; --quick does the same

It prints:

    λ = 0.0001; the share of the weight that a step takes, and lr/peak
    step                                               0              10              20              60              99
    LambdaLR                              0.0e+00 (0.00)  5.0e-05 (0.50)  1.0e-04 (1.00)  5.0e-05 (0.50)  3.9e-08 (0.00)
    OneCycleLR                            4.0e-06 (0.04)  5.6e-05 (0.56)  1.0e-04 (1.00)  4.8e-05 (0.48)  4.0e-10 (0.00)
    own loop, made with the peak          0.0e+00 (0.00)  5.0e-05 (0.50)  1.0e-04 (1.00)  5.0e-05 (0.50)  3.9e-08 (0.00)
    own loop, made with 0, base_lr=1e-3   0.0e+00 (0.00)  5.0e-05 (0.50)  1.0e-04 (1.00)  5.0e-05 (0.50)  3.9e-08 (0.00)
    own loop, made with 1e-4              0.0e+00 (0.00)  5.0e-04 (0.50)  1.0e-03 (1.00)  5.0e-04 (0.50)  3.9e-07 (0.00)
    own loop, made with 1e-4, warns: parameter group 0: lr=0.00015 is above the base learning rate 0.0001
    made with 0 and no base_lr, is refused: give that as base_lr= to the optimizer or the group.
"""

import argparse
import math
import warnings
from collections.abc import Iterator
from typing import Any

import torch

import halflife

STEPS, WARMUP, PEAK, WEIGHT_DECAY = 100, 20, 1e-3, 1e-4
SEEN = (0, 10, 20, 60, 99)


def warmup_cosine(step: int) -> float:
    """η: linear from 0 to 1, then half a cosine."""
    if step < WARMUP:
        return step / WARMUP
    return 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))


def measured(optimizer: torch.optim.Optimizer) -> float:
    """The share of its weight that one step takes; its gradient is 0."""
    w = optimizer.param_groups[0]["params"][0]
    before = w.detach().clone()
    w.grad = torch.zeros_like(w)
    optimizer.step()
    return 1 - (w / before).item()


def made(lr: float, **settings: Any) -> halflife.AdamW:
    """AdamW over one weight."""
    w = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    return halflife.AdamW([w], lr=lr, weight_decay=WEIGHT_DECAY, decay="independent", **settings)


def by_scheduler(kind: str) -> Iterator[tuple[float, float]]:
    """The lr and the decay of each step, under a scheduler of torch."""
    optimizer = made(PEAK)
    if kind == "LambdaLR":
        schedule: Any = torch.optim.lr_scheduler.LambdaLR(optimizer, warmup_cosine)
    else:
        optimizer = made(lr=0.5)  # whatever it says: OneCycleLR writes over it
        up = WARMUP / STEPS
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, STEPS, pct_start=up, cycle_momentum=False)
    for _ in range(STEPS):
        yield optimizer.param_groups[0]["lr"], measured(optimizer)
        schedule.step()


def by_hand(lr: float, **settings: Any) -> Iterator[tuple[float, float]]:
    """The same in a loop of one's own."""
    optimizer = made(lr, **settings)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = PEAK * warmup_cosine(step)
        yield optimizer.param_groups[0]["lr"], measured(optimizer)


def main() -> None:
    """The decay of some steps, for each way to drive lr."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="does the same: it is quick")
    parser.parse_args()
    ways = {
        "LambdaLR": by_scheduler("LambdaLR"),
        "OneCycleLR": by_scheduler("OneCycleLR"),
        "own loop, made with the peak": by_hand(PEAK),
        "own loop, made with 0, base_lr=1e-3": by_hand(0.0, base_lr=PEAK),
        "own loop, made with 1e-4": by_hand(PEAK / 10),
    }
    print(f"λ = {WEIGHT_DECAY:g}; the share of the weight that a step takes, and lr/peak")
    print(f"{'step':<36}{''.join(f'{k:>16}' for k in SEEN)}")
    heard = list[str]()
    for name, way in ways.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            steps = [*way]
        cells = "".join(f"{steps[k][1]:>9.1e} ({steps[k][0] / PEAK:.2f})" for k in SEEN)
        print(f"{name:<36}{cells}")
        heard += [f"{name}, warns: {str(one.message).partition(',')[0]}" for one in caught]
    print("\n".join(heard))
    try:
        made(lr=0.0)
    except ValueError as error:
        print(f"made with 0 and no base_lr, is refused: {str(error).rpartition('; ')[2]}")


if __name__ == "__main__":
    main()
