"""A character transformer: weight decay said as a half-life in tokens, and optimizer states of one byte a number.

A small transformer learns 33,000 characters of Shakespeare, which it can learn by heart in the 18 passes that it gets:
so decay matters. It is given as ``weight_decay=halflife.HalfLife(tokens=…, tokens_per_step=…)``, the time after which
half of a weight is left if no gradient renews it; each parameter group turns that into its own λ.

What to learn from it: in how many tokens a network should forget is a question with an answer that one can guess (here
a pass over the text has 33,000 of them), and the answer stays when the batch changes, while a number λ does not: half
the batch is twice the steps, and a λ left as it was would forget twice as fast. And ``state_dtype="8bit"`` takes a
quarter of the memory for Adam's two states, and reaches the same loss.

    python examples/char_transformer.py            # two minutes; HALFLIFE_DATA names a folder with the text,
    python examples/char_transformer.py --quick    # or it is downloaded once; a smoke test
"""

import argparse
import math
import time
from dataclasses import dataclass
from typing import Any

import torch

import halflife
from halflife.lab.problems import Problem
from halflife.lab.problems.shakespeare import shakespeare

WINDOW, LR = 64, 1e-2


@dataclass(frozen=True)
class Run:
    """One row of the table: a half-life in tokens, or a number λ, or neither."""

    said: str
    half_life: float | None = None
    weight_decay: float = 0.0
    batch: int = 16
    state_dtype: Any = None


def build(run: Run, model: torch.nn.Module) -> halflife.AdamW:
    """Biases, norms and embeddings are not decayed; the learning rate goes with the square root of the batch."""
    λ: Any = run.weight_decay
    if run.half_life is not None:
        λ = halflife.HalfLife(tokens=run.half_life, tokens_per_step=run.batch * WINDOW)
    lr = LR * math.sqrt(run.batch / 16)
    groups = halflife.param_groups(model, weight_decay=λ)
    return halflife.AdamW(groups, lr=lr, decay="independent", state_dtype=run.state_dtype, max_grad_norm=1.0)


def train(run: Run, problem: Problem, tokens: int) -> tuple[torch.nn.Module, halflife.AdamW, float]:
    """That many tokens under a one-cycle schedule; the model, its optimizer and the loss at the end."""
    torch.manual_seed(0)
    model, steps = problem.model(), tokens // (run.batch * WINDOW)
    optimizer = build(run, model)
    highest = [group["lr"] for group in optimizer.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, highest, steps, pct_start=0.1, cycle_momentum=False)
    data, losses, step = problem.train, list[float](), 0
    while step < steps:
        for batch in torch.randperm(len(data)).split(run.batch)[: steps - step]:
            loss = problem.loss(model(data.inputs[batch]), data.targets[batch])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            losses.append(loss.item())
            step += 1
    return model, optimizer, sum(losses[-30:]) / len(losses[-30:])


@torch.no_grad()
def validate(model: torch.nn.Module, problem: Problem) -> float:
    """Nats a character on text that was not trained on."""
    parts = zip(problem.val.inputs.split(100), problem.val.targets.split(100), strict=True)
    return torch.cat([problem.error(model(x), y) for x, y in parts]).mean().item()


def state_bytes(optimizer: torch.optim.Optimizer) -> float:
    """Bytes of state for each parameter."""
    tensors = [x for state in optimizer.state.values() for x in state.values() if x.ndim]
    return sum(x.nbytes for x in tensors) / sum(p.numel() for g in optimizer.param_groups for p in g["params"])


def main() -> None:
    """All runs, and a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    torch.set_num_threads(1)  # a network this small is hardly faster on more
    quick, start = parser.parse_args().quick, time.perf_counter()
    windows, passes, width = (32, 2, 16) if quick else (512, 18, 96)
    problem = shakespeare(train=windows, val=4 if quick else 300, window=WINDOW, width=width, depth=2)
    tokens, h = windows * WINDOW * passes, 30_000
    λ = halflife.HalfLife(tokens=h, tokens_per_step=16 * WINDOW).fraction
    runs = [Run("no decay")]
    runs += [Run(f"half-life {t:,} tokens", t) for t in (100_000, h)]
    runs += [Run(f"half-life {h:,} tokens", h, state_dtype="8bit"), Run(f"half-life {h:,} tokens", h, batch=8)]
    runs += [Run("λ as at batch 16", weight_decay=λ, batch=8)]
    print(f"{windows * WINDOW:,} characters, {tokens:,} tokens in {passes} passes")
    print(f"{'decay':<26}{'λ':>9}{'batch':>7}{'states':>9}{'bytes/param':>13}{'train':>8}{'validation, nats':>18}")
    for run in runs:
        model, optimizer, loss = train(run, problem, tokens)
        own = max(group["weight_decay"] for group in optimizer.param_groups)
        kept = f"{run.state_dtype or 'float32':>9}{state_bytes(optimizer):>13.2f}"
        print(f"{run.said:<26}{own:>9.2g}{run.batch:>7}{kept}{loss:>8.3f}{validate(model, problem):>18.3f}", flush=True)
    print(f"one seed: differences below about 0.03 are noise; {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
