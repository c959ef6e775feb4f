"""The page on many GPUs: its examples run, one after the other, as they stand there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch
from torch import nn

from tests.sharded import launch
from tests.sharded.launch import case

PAGE = Path(__file__).parents[3] / "docs" / "many-gpus.md"


class Blocks(nn.Module):
    """A model as the examples speak of it."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(6, 6) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x).tanh()
        return x


@case(2)
def examples_of_the_page() -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(examples) == 3
    os.chdir(launch.FOLDER)  # where they keep checkpoints
    scope = {"model": Blocks()}
    for number, example in enumerate(examples):
        if "ZeroRedundancyOptimizer" in example:
            scope["model"] = Blocks()
        exec(compile(example, f"{PAGE.name}, example {number}", "exec"), scope)
        model, optimizer = scope["model"], scope["optimizer"]
        before = [p.detach().clone() for p in model.parameters()]
        model(torch.ones(3, 6)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        assert all(not torch.equal(_here(p), _here(w)) for p, w in zip(model.parameters(), before, strict=True))


def _here(x: torch.Tensor) -> torch.Tensor:
    return x.to_local() if hasattr(x, "to_local") else x
