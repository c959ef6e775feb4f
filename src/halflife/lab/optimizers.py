"""The optimizers that a study compares: the library's own, each with the λ worth trying."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from .. import optim
from ..update import Update

HALF_DECADES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Three decades, which hold the best λ of every optimizer whose λ is not multiplied by lr at each step."""


@dataclass(frozen=True)
class Contender:
    """An optimizer under study. ``name`` is what the command line and the ledger call it, ``label`` what people read.

    ``equation`` is one step with ridge; ``lams`` the λ tried unless others are given; ``settings`` what its class is
    given beside lr and λ, as pairs.
    """

    name: str
    label: str
    equation: str
    optimizer: type[optim.Optimizer]
    settings: tuple[tuple[str, Any], ...] = ()
    lams: tuple[float, ...] = HALF_DECADES

    def build(self, params: Iterable[Tensor], lr: float, lam: float) -> optim.Optimizer:
        """The optimizer itself, as a training loop has it."""
        return self.optimizer(params, lr=lr, weight_decay=lam, **dict(self.settings))

    @cached_property
    def update(self) -> Update:
        """rule × decay × regularizer, to be applied to stacked weights."""
        optimizer = self.build([torch.zeros(1, requires_grad=True)], lr=1.0, lam=1.0)
        return optimizer.view(optimizer.param_groups[0]).update


CONTENDERS: dict[str, Contender] = {
    contender.name: contender
    for contender in (
        Contender("adam-l2", "AdamL2", "g ← g + λw, then Adam", optim.Adam),
        Contender(
            "adamw-torch",
            "AdamW (PyTorch)",
            "w ← (1 − lr·λ)w − lr·u",
            optim.AdamW,
            lams=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
        ),
        Contender("adamw-paper", "AdamW (paper)", "w ← (1 − ηλ)w − lr·u", optim.AdamW, (("decay", "independent"),)),
        Contender("prox-adam", "ProxAdam", "w ← (w − lr·u)/(1 + ηλ)", optim.ProxAdam),
        Contender("adam-p", "AdamP", "w ← (w − lr·u)/(1 + lr·λ/D)", optim.AdamP),
        Contender("sgd-l2", "SGD with L2", "g ← g + λw, then momentum 0.9", optim.SGD, (("momentum", 0.9),)),
        Contender("sgdw", "SGDW", "w ← (1 − ηλ)w − lr·u", optim.SGDW, (("momentum", 0.9),)),
    )
}

DEFAULT = ("adam-l2", "adamw-torch", "adamw-paper", "prox-adam", "adam-p")
"""What a study compares unless it is told."""

REFERENCE = Contender("adam", "Adam, no decay", "w ← w − lr·u", optim.Adam, lams=(0.0,))
"""What decay is worth is measured against this one."""
