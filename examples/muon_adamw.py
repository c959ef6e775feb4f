"""Muon for the hidden matrices, AdamW for the rest, in one optimizer

Muon steps a matrix as a whole, so it takes the matrices inside the network alone; embeddings, the head, norms and
biases go by AdamW. `param_groups(model, matrix="muon", head="…")` sorts them, prints who went where and why, and any
optimizer of halflife takes the groups: one `step()`, one clip, one state_dict, one scheduler.

What to learn from it: the head has to be named, for no type tells it from the other linear layers. Without an lr of
its own Muon is scaled so that AdamW's serves it too: the table has both at the same three. At its best lr each, Muon
comes to the loss in 118 steps and AdamW in 219, and Muon keeps one number for each of the matrices' weights, not two.

    python examples/muon_adamw.py            # 25 s
    python examples/muon_adamw.py --quick    # a smoke test: few steps

It prints:

    Adam, λ 0: 21 tensors, 1,594 numbers, position and others
    Adam, λ 0.1: 2 tensors, 864 numbers, embed.weight and others
    Muon, λ 0.1: 8 tensors, 36,864 numbers, blocks.layers.0.self_attn.in_proj_weight and others
    matrices by         lr   steps to loss 0.5   loss at the end   state, MB
    AdamW            0.001          not in 250             0.591        0.31
    AdamW            0.003                 219             0.383        0.31
    AdamW             0.01          not in 250             0.855        0.31
    Muon             0.001          not in 250             0.789        0.17
    Muon             0.003                 171             0.117        0.17
    Muon              0.01                 118             0.204        0.17
"""

import argparse
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import halflife
from halflife.lab.problems import digits

DATA = digits()  # 600 small images, 30 % of their labels wrong
LOSS = 0.5


class Rows(nn.Module):
    """A transformer that reads an image of 8 × 8 pixels row by row."""

    def __init__(self, width: int = 48, depth: int = 2) -> None:
        super().__init__()
        self.embed, self.position = nn.Linear(8, width), nn.Parameter(torch.zeros(8, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, depth, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, pixels: Tensor) -> Tensor:
        """``[images, 64]`` to ``[images, 10]``."""
        return self.head(self.blocks(self.embed(pixels.view(-1, 8, 8)) + self.position).mean(1))


def groups_of(kind: str, model: nn.Module) -> Any:
    """All by AdamW, or the matrices inside by Muon."""
    if kind == "AdamW":
        return halflife.param_groups(model, weight_decay=0.1)
    return halflife.param_groups(model, weight_decay=0.1, matrix="muon", head=["embed.*", "head.*"])


def train(kind: str, lr: float, steps: int) -> tuple[list[float], float]:
    """The loss after each step, and megabytes of state."""
    torch.manual_seed(0)
    model = Rows()
    optimizer = halflife.AdamW(groups_of(kind, model), lr=lr, max_grad_norm=1.0)
    losses = list[float]()
    for _ in range(steps):
        batch = torch.randint(len(DATA.train), (100,))
        loss = cross_entropy(model(DATA.train.inputs[batch]), DATA.train.targets[batch])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    states = [x for state in optimizer.state.values() for x in state.values() if x.ndim]
    return losses, sum(x.nbytes for x in states) / 1e6


def main() -> None:
    """The groups, and both at three learning rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test")
    torch.set_num_threads(1)  # a network this small is fastest on one
    quick = parser.parse_args().quick
    steps = 12 if quick else 250
    for group in groups_of("Muon", Rows()):  # print(groups) shows a table with the reasons
        said = f"{len(group['params'])} tensors, {sum(p.numel() for p in group['params']):,} numbers"
        print(f"{group['rule']}, λ {group['weight_decay']:g}: {said}, {group['param_names'][0]} and others")
    print(f"{'matrices by':<14}{'lr':>8}{'steps to loss ' + str(LOSS):>20}{'loss at the end':>18}{'state, MB':>12}")
    for kind in ("AdamW", "Muon"):
        for lr in (1e-3, 3e-3, 1e-2):
            losses, size = train(kind, lr, steps)
            means = [sum(losses[k - 10 : k]) / 10 for k in range(10, steps + 1)]
            reached = next((str(k + 10) for k, mean in enumerate(means) if mean < LOSS), f"not in {steps}")
            print(f"{kind:<14}{lr:>8g}{reached:>20}{means[-1]:>18.3f}{size:>12.2f}", flush=True)


if __name__ == "__main__":
    main()
