"""The conformance table: every legal (rule, decay, regularizer, flag), in one list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

import halflife
from halflife import registry, rules
from halflife import regularizers as rz
from halflife.decays import NAMED, Decay
from halflife.optimizers import optimizer_of
from halflife.update import check

OURS = [
    entry
    for entry in registry.entries()
    if getattr(rules, entry.name, None) is entry.rule and entry.rule.sparse != "required"
]
"""Those that take any gradient: what takes sparse ones alone is in tests/optim/test_sparse_adam.py."""
CLASSES: dict[str, type[halflife.Optimizer]] = {entry.name.lower(): optimizer_of(entry) for entry in OURS}
FLAGS: dict[str, list[dict[str, Any]]] = {
    entry.name.lower(): [dict(variant) for variant in entry.variants] for entry in OURS
}

for rule in ("sgd", "adam", "adafactor", "muon"):
    FLAGS[rule].append({**FLAGS[rule][-1], "direction": "normalized"})

MASK = torch.tensor([[True, False, True, True], [False, True, True, False], [True, True, False, True]])

REGULARIZERS: list[rz.Regularizer] = [
    rz.L2(),
    rz.Huber(0.7),
    rz.TowardInit(),
    rz.L1(),
    rz.ElasticNet(0.3),
    rz.L0(),
    rz.LHalf(),
    rz.Box(-0.8, 0.6),
    rz.NonNegative(),
    rz.GroupLasso(dim=1),
    rz.GroupLasso(dim=(0, 1)),
    rz.Sphere(),
    rz.Sphere(dim=1),
    rz.Sum(rz.Scaled(0.6, rz.Huber(0.7)), rz.Scaled(0.3, rz.L2())),
    rz.OnSubset(rz.Sum(rz.TowardInit(), rz.L2()), MASK),
    rz.Sum(rz.NonNegative(), rz.L1(), rz.Scaled(0.5, rz.L2()), rz.Box(-0.3, 0.8)),
    rz.OnSubset(rz.Sum(rz.ElasticNet(0.3), rz.Box(-0.8, 0.6)), MASK),
    rz.Scaled(0.7, rz.Sum(rz.L2(), rz.Scaled(0.5, rz.L0()))),
]

PLACES = [
    ("before", "none"),
    *product(("explicit", "cautious", "implicit"), ("lr", "schedule", "lr*schedule", "lr/metric")),
    ("explicit", "one"),
    ("explicit", "lr*lr"),
]
DECAYS: list[str | tuple[str, str]] = [
    *NAMED,
    *(cell for cell in PLACES if Decay(*cell) not in NAMED.values()),
]


@dataclass(frozen=True)
class Cell:
    """One row of the table; ``flag`` is the index into FLAGS[rule]."""

    rule: str
    flag: int
    decay: str | tuple[str, str]
    regularizer: rz.Regularizer

    @property
    def options(self) -> dict[str, Any]:
        return FLAGS[self.rule][self.flag]

    @property
    def treatment(self) -> Decay:
        return NAMED[self.decay] if isinstance(self.decay, str) else Decay(*self.decay)

    def __str__(self) -> str:
        decay = self.decay if isinstance(self.decay, str) else "×".join(self.decay)
        regularizer = re.sub(r", mask=tensor[(].*?][)]", "", repr(self.regularizer), flags=re.S)
        return f"{self.rule}{self.flag}-{decay}-{regularizer}"


def legal(cell: Cell) -> bool:
    """Whether the library composes the three."""
    try:
        check(registry.entry_named(cell.rule).rule, cell.treatment, cell.regularizer)
    except ValueError:
        return False
    return True


VARIANTS = [(rule, flag) for rule, flags in FLAGS.items() for flag in range(len(flags))]
TABLE = [
    cell
    for (rule, flag), decay, regularizer in product(VARIANTS, DECAYS, REGULARIZERS)
    if legal(cell := Cell(rule, flag, decay, regularizer))
]
