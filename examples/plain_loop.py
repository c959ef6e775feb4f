"""A plain PyTorch loop, its λ on a schedule, stopped and resumed bit for bit

What every training script does, with halflife in torch's place: `param_groups` spares biases from decay, AdamW warms
up and follows a cosine, λ follows a schedule of its own beside it, gradients are clipped within the step, and a
checkpoint halfway holds all that the second half needs.

What to learn from it: the schedule of λ is stepped and saved as a scheduler of the learning rate is, and a run that
was stopped ends in the same bits as one that was not. Five things have to be in the checkpoint: the model, the
optimizer, both schedules and torch's generator, which shuffles the data.

    python examples/plain_loop.py            # 7 s
    python examples/plain_loop.py --quick    # a smoke test

It prints:

                                          lr       λ    loss      validation
    at the start                    0.00e+00   0.100     nan           6.8 %
    halfway                         5.87e-03   0.550   0.662          84.2 %
    at the end                      0.00e+00   1.000   0.419          85.7 %
    resumed from the checkpoint     0.00e+00   1.000   0.419          85.7 %
    6 of 6 tensors have the same bits
"""

import argparse
import math
import tempfile
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

import halflife
from halflife.lab.problems import digits

DATA = digits()  # 600 small images, 30 % of their labels wrong; clean ones to validate


class Run:
    """The model and all that steps it."""

    def __init__(self, steps: int, warmup: int) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))

        def eta(step: int) -> float:  # linear from 0 to 1, then half a cosine down to 0
            if step < warmup:
                return step / warmup
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))

        self.wd = halflife.schedules.LinearWD(0.1, 1.0, steps)  # λ grows from 0.1 to 1
        groups = halflife.param_groups(self.model, weight_decay=self.wd)
        self.optimizer = halflife.AdamW(groups, lr=1e-2, max_grad_norm=1.0)
        self.lr = torch.optim.lr_scheduler.LambdaLR(self.optimizer, eta)

    def train(self, epochs: int) -> float:
        """Some epochs; the last one's mean loss."""
        for _ in range(epochs):
            losses = list[float]()
            for batch in torch.randperm(len(DATA.train)).split(50):
                loss = cross_entropy(self.model(DATA.train.inputs[batch]), DATA.train.targets[batch])
                loss.backward()
                self.optimizer.step()
                self.optimizer.zero_grad()
                self.lr.step()
                self.wd.step()
                losses.append(loss.item())
        return sum(losses) / len(losses)

    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer | object]:
        """What a checkpoint holds, beside torch's generator."""
        return {"model": self.model, "optimizer": self.optimizer, "lr": self.lr, "wd": self.wd}

    def save(self, path: Path) -> None:
        """All of it in one file."""
        states = {name: part.state_dict() for name, part in self.parts().items()}
        torch.save({**states, "rng": torch.get_rng_state()}, path)

    def load(self, path: Path) -> None:
        """Go on from that file; it holds tensors, numbers and words only."""
        states = torch.load(path, weights_only=True)
        torch.set_rng_state(states.pop("rng"))
        for name, part in self.parts().items():
            part.load_state_dict(states[name])

    @torch.no_grad()
    def row(self, said: str, loss: float) -> str:
        """One line of the table."""
        group = max(self.optimizer.param_groups, key=lambda group: group["weight_decay"])
        right = (self.model(DATA.val.inputs).argmax(-1) == DATA.val.targets).float().mean().item()
        return f"{said:<30}{group['lr']:>10.2e}{group['weight_decay']:>8.3f}{loss:>8.3f}{100 * right:>14.1f} %"


def main() -> None:
    """Once through, and once with a stop halfway."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    torch.set_num_threads(1)  # a network this small is fastest on one
    quick = parser.parse_args().quick
    half = 4 if quick else 25
    steps = 2 * half * 12
    print(f"{'':<30}{'lr':>10}{'λ':>8}{'loss':>8}{'validation':>16}")
    whole = Run(steps, steps // 10)
    print(whole.row("at the start", math.nan))
    print(whole.row("halfway", whole.train(half)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "halfway.pt"
        whole.save(path)
        print(whole.row("at the end", whole.train(half)))
        resumed = Run(steps, steps // 10)
        resumed.load(path)
    print(resumed.row("resumed from the checkpoint", resumed.train(half)))
    pairs = zip(whole.model.parameters(), resumed.model.parameters(), strict=True)
    same = sum(torch.equal(p, q) for p, q in pairs)
    print(f"{same} of 6 tensors have the same bits")


if __name__ == "__main__":
    main()
