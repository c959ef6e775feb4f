"""Autocast or pure bf16: where a small weight decay rounds away

bfloat16 has 8 bits of precision: a step that changes a weight by less than a 512th of it may round to no step at all.
A decay of lr·λ = 1e-4 a step is twenty times too small. Under autocast the weights stay float32 and nothing is lost,
for 8 bytes a parameter more than pure bf16 takes with AdamW. With pure bf16 weights, `rounding="stochastic"` rounds up
or down at random, right on average and without memory; `rounding="kahan"` keeps what was rounded off in 2 bytes of its
own.

What to learn from it: with bf16 weights rounded to nearest, torch's way, decay alone leaves every weight where it is,
and halflife warns of it. The last columns are a training, in which gradients move the weights too: there steps of lr
are lost beside the decay, and it ends elsewhere than under autocast. With either rounding it ends about where autocast
does.

    python examples/autocast_or_bf16.py            # 15 s
    python examples/autocast_or_bf16.py --quick    # a smoke test: few steps

It prints:

    weights               rounding      bytes  decay alone leaves  ‖w‖, trained    loss
    float32 + autocast    nearest          12              90.5 %         18.57   0.653
    bfloat16              nearest           6             100.0 %         16.01   0.795
    bfloat16              stochastic        6              90.5 %         18.47   0.641
    bfloat16              kahan             8              90.5 %         18.41   0.648
    90.5 % is what 1000 steps of decay should leave
    bfloat16, nearest, warns: parameter group 0: the decay multiplies the weights by 0.9999 a step, nearer to 1
    than torch.bfloat16 can tell, so that rounded to nearest it alone never moves one; rounding='kahan' or
    'stochastic' keeps it.
"""

import argparse
import textwrap
import warnings
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.functional import cross_entropy

import halflife
from halflife.lab.problems import digits

DATA = digits()  # 600 small images, 30 % of their labels wrong
LR, WEIGHT_DECAY = 1e-3, 0.1
CASES: tuple[tuple[torch.dtype, Literal["nearest", "stochastic", "kahan"]], ...] = (
    (torch.float32, "nearest"),
    (torch.bfloat16, "nearest"),
    (torch.bfloat16, "stochastic"),
    (torch.bfloat16, "kahan"),
)


def build(dtype: torch.dtype, rounding: Any) -> tuple[nn.Module, halflife.AdamW]:
    """A perceptron of that format, the same weights in each, and its optimizer."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)).to(dtype)
    groups = halflife.param_groups(model, weight_decay=WEIGHT_DECAY)
    return model, halflife.AdamW(groups, lr=LR, rounding=rounding)


@torch.no_grad()
def norm(model: nn.Module) -> float:
    """The length of all matrices."""
    return torch.cat([p.double().flatten() for p in model.parameters() if p.ndim == 2]).norm().item()


def decayed(dtype: torch.dtype, rounding: Any, steps: int) -> float:
    """What decay alone leaves of the weights, for all gradients are 0."""
    model, optimizer = build(dtype, rounding)
    before = norm(model)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    for _ in range(steps):
        optimizer.step()
    return norm(model) / before


def train(dtype: torch.dtype, rounding: Any, steps: int) -> tuple[float, float, float]:
    """Bytes a parameter, the weights' length at the end, the training loss."""
    model, optimizer = build(dtype, rounding)
    for _ in range(steps):
        batch = torch.randint(len(DATA.train), (50,))
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.float32):
            outputs = model(DATA.train.inputs[batch].to(dtype))
        cross_entropy(outputs.float(), DATA.train.targets[batch]).backward()
        optimizer.step()
        optimizer.zero_grad()
    parameters = [*model.parameters()]
    kept = [*parameters, *(x for p in parameters for x in optimizer.state[p].values() if x.ndim)]
    size = sum(x.nbytes for x in kept) / sum(p.numel() for p in parameters)
    with torch.no_grad():
        loss = cross_entropy(model(DATA.train.inputs.to(dtype)).float(), DATA.train.targets)
    return size, norm(model), loss.item()


def main() -> None:
    """Every case, and the warning."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    torch.set_num_threads(1)  # a network this small is fastest on one
    quick = parser.parse_args().quick
    steps = 100 if quick else 1000
    said = list[str]()
    print(f"{'weights':<22}{'rounding':<12}{'bytes':>7}{'decay alone leaves':>20}{'‖w‖, trained':>14}{'loss':>8}")
    for dtype, rounding in CASES:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            left = decayed(dtype, rounding, steps)
            size, length, loss = train(dtype, rounding, steps)
        said += [str(one.message) for one in caught]
        name = "float32 + autocast" if dtype is torch.float32 else "bfloat16"
        print(f"{name:<22}{rounding:<12}{size:>7.0f}{100 * left:>18.1f} %{length:>14.2f}{loss:>8.3f}", flush=True)
    print(f"{100 * (1 - LR * WEIGHT_DECAY) ** steps:.1f} % is what {steps} steps of decay should leave")
    print(textwrap.fill(f"bfloat16, nearest, warns: {said[0]}", 110))


if __name__ == "__main__":
    main()
