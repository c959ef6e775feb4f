"""An Accelerate loop: accumulation, clipping, and a saved state with λ's schedule in it

`accelerator.prepare` takes halflife's optimizer as any other. Two things are worth a line: the clip may be the
optimizer's own, `max_grad_norm`, which sees the accumulated gradients; and a schedule of λ is registered, so that
`save_state` and `load_state` know it.

What to learn from it: both clips are the same one; what rows 1 and 2 differ by is the last bit of the norm, which 360
steps let grow to 0.001. The resumed run ends in the bits of the one that was not stopped.

It needs `pip install accelerate`.

    python examples/accelerate_loop.py            # 10 s
    python examples/accelerate_loop.py --quick    # a smoke test: few steps

It prints:

    clipped by                              λ    validation    difference
    accelerator.clip_grad_norm_         1.000        88.2 %         0e+00
    max_grad_norm                       1.000        88.2 %         1e-03
    max_grad_norm, resumed (to row 2)   1.000        88.2 %         0e+00
"""

import argparse
import tempfile
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import halflife
from halflife.lab.problems import digits

DATA = digits()  # 600 small images, 30 % of their labels wrong; clean ones to validate
CLIP, ACCUMULATE, BATCH = 0.5, 2, 25


class Run:
    """A training that Accelerate prepared, clipped by itself or by the optimizer."""

    def __init__(self, clip_in_step: bool, steps: int) -> None:
        torch.manual_seed(0)
        self.accelerator = Accelerator(cpu=True, gradient_accumulation_steps=ACCUMULATE)
        model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
        self.wd = halflife.schedules.CosineWD(0.1, 1.0, steps)
        groups = halflife.param_groups(model, weight_decay=self.wd)
        optimizer = halflife.AdamW(groups, lr=1e-2, max_grad_norm=CLIP if clip_in_step else None)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        loader: Any = DataLoader(TensorDataset(DATA.train.inputs, DATA.train.targets), BATCH)
        parts = self.accelerator.prepare(model, optimizer, schedule, loader)
        self.model, self.optimizer, self.schedule, self.loader = parts
        self.accelerator.register_for_checkpointing(self.wd)
        self.clip_in_step = clip_in_step

    def train(self, epochs: int) -> None:
        """Some epochs."""
        for _ in range(epochs):
            for x, y in self.loader:
                with self.accelerator.accumulate(self.model):
                    self.accelerator.backward(cross_entropy(self.model(x), y))
                    whole = self.accelerator.sync_gradients  # a step is due
                    if whole and not self.clip_in_step:
                        self.accelerator.clip_grad_norm_(self.model.parameters(), CLIP)
                    self.optimizer.step()
                    self.schedule.step()
                    self.optimizer.zero_grad()
                    if whole:
                        self.wd.step()

    def row(self, said: str, other: Tensor) -> str:
        """A line of the table."""
        with torch.no_grad():
            right = (self.model(DATA.val.inputs).argmax(-1) == DATA.val.targets).float().mean().item()
        apart = (self.flat() - other).abs().max().item()
        return f"{said:<34}{self.wd.value:>7.3f}{100 * right:>12.1f} %{apart:>14.0e}"

    def flat(self) -> Tensor:
        """All weights."""
        return torch.cat([p.detach().flatten() for p in self.model.parameters()])


def main() -> None:
    """Clipped by Accelerate, by the optimizer, and resumed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    torch.set_num_threads(1)  # a network this small is fastest on one
    half = 1 if parser.parse_args().quick else 15
    steps = 2 * half * len(DATA.train) // (BATCH * ACCUMULATE)
    theirs, ours = Run(clip_in_step=False, steps=steps), Run(clip_in_step=True, steps=steps)
    theirs.train(2 * half)
    with tempfile.TemporaryDirectory() as folder:
        ours.train(half)
        ours.accelerator.save_state(folder)
        ours.train(half)
        resumed = Run(clip_in_step=True, steps=steps)
        resumed.accelerator.load_state(folder)
        resumed.train(half)
    print(f"{'clipped by':<34}{'λ':>7}{'validation':>14}{'difference':>14}")
    print(theirs.row("accelerator.clip_grad_norm_", theirs.flat()))
    print(ours.row("max_grad_norm", theirs.flat()))
    print(resumed.row("max_grad_norm, resumed (to row 2)", ours.flat()))


if __name__ == "__main__":
    main()
