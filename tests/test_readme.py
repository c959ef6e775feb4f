"""The README's Python runs, its promises of names hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import halflife
from halflife.decays import NAMED
from halflife.engines.cuda import host
from halflife.regularizers import KNOWN
from halflife.rules import Rule, Scalar, State

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_code_of_the_page_on_kernels_runs() -> None:
    text = (ROOT / "docs/kernels.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    scope: dict[str, Any] = {"__name__": "kernels"}
    exec(compile(block, "docs/kernels.md", "exec", dont_inherit=True), scope)
    chosen = scope["opt"].engines()[0]
    assert chosen.name == ("eager" if host.obstacle() else "compiled"), chosen.reason


@dataclass(frozen=True)
class Unit(Rule):
    """Of length 1 in each tensor, which no kernel can tell from one coordinate."""

    acts_on, states = "coordinates", ()

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, float, dict[str, Tensor]]:
        return g / g.norm(), 1.0, {}


class UnitOptimizer(halflife.Optimizer, rule=Unit):
    """What the page on kernels quotes the reason of."""


def test_what_the_page_on_kernels_quotes_is_said() -> None:
    text = " ".join((ROOT / "docs/kernels.md").read_text(encoding="utf-8").split())
    (quoted,) = re.findall(r'that the reason ends with "(.*?)"', text)
    params = [torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(4))]
    optimizer = UnitOptimizer(params, lr=0.5, engine="compiled")
    assert f"{quoted})" in repr(optimizer)
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert [round(p.mean().item(), 6) for p in params] == [round(1 - 0.5 / 3**0.5, 6), 0.75]


def test_code_blocks_run_in_order() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) >= 3
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), scope)


def test_every_decay_regularizer_and_optimizer_is_named() -> None:
    for name in [*NAMED, *KNOWN]:
        assert name in README, name
    optimizers = [n for n in halflife.__all__ if isinstance(getattr(halflife, n), type)]
    assert [n for n in optimizers if n not in README] == []


def test_pictures_exist() -> None:
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert pictures
    assert all((ROOT / picture).is_file() for picture in pictures)
