"""The optimizers that a study compares: any of the library's or of a registered rule, each with the λ worth trying."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ... import optim
from ...catalogue import Catalogue
from ...decays import NAMED, Decay
from ...optim.groups import on_purpose
from ...update import Update

HALF_DECADES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Three decades, which hold the best λ of every optimizer whose λ is not multiplied by lr at each step."""
TIMES_LR = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Those of a λ that is."""


@dataclass(frozen=True)
class OptimizerSpec:
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
        """The optimizer itself, as a training loop has it; that λ may be large is no news in a study."""
        with on_purpose():
            return self.optimizer(params, lr=lr, weight_decay=lam, **dict(self.settings))

    @property
    def key(self) -> list[str]:
        """What a ledger knows it by; a field of two rules stands under the name that it had when ledgers began."""
        return [self.name, str(self.update).replace("momentum_type=", "look="), repr(self.settings)]

    @cached_property
    def update(self) -> Update:
        """rule × decay × regularizer, to be applied to stacked weights."""
        return update_of(self.optimizer, **dict(self.settings))


def update_of(optimizer: type[optim.Optimizer], **settings: Any) -> Update:
    """rule × decay × regularizer of a class under these settings."""
    made = optimizer([torch.zeros(1, requires_grad=True)], lr=1.0, weight_decay=0.0, **settings)
    return made.view(made.param_groups[0]).update


_EQUATIONS = {
    "coupled": "g ← g + λw, then {}",
    "decoupled": "w ← (1 − lr·λ)w − lr·u",
    "independent": "w ← (1 − ηλ)w − lr·u",
    "proximal": "w ← (w − lr·u)/(1 + ηλ)",
    "proximal_lr": "w ← (w − lr·u)/(1 + lr·λ)",
    "euclidean": "w ← (w − lr·u)/(1 + lr·λ/D)",
}


def equation_of(decay: Decay, rule: str) -> str:
    """One step with ridge; the decay's own words where it has no name."""
    name = next((name for name, known in NAMED.items() if known == decay), "")
    return _EQUATIONS.get(name, str(decay)).format(rule)


def spec_of(name: str, optimizer: type[optim.Optimizer]) -> OptimizerSpec:
    """A class as it comes, with the λ that its decay suggests."""
    update = update_of(optimizer)
    lams = TIMES_LR if update.decay.multiplier == "lr" else HALF_DECADES
    equation = equation_of(update.decay, type(update.rule).__name__)
    return OptimizerSpec(name, optimizer.__name__, equation, optimizer, lams=lams)


OPTIMIZER_SPECS = Catalogue(
    {
        spec.name: spec
        for spec in (
            OptimizerSpec("adamw-torch", "AdamW (PyTorch)", "w ← (1 − lr·λ)w − lr·u", optim.AdamW, lams=TIMES_LR),
            OptimizerSpec(
                "adamw-paper", "AdamW (paper)", "w ← (1 − ηλ)w − lr·u", optim.AdamW, (("decay", "independent"),)
            ),
            OptimizerSpec("sgd-l2", "SGD with L2", "g ← g + λw, then momentum 0.9", optim.SGD, (("momentum", 0.9),)),
            OptimizerSpec("sgdw", "SGDW", "w ← (1 − ηλ)w − lr·u", optim.SGDW, (("momentum", 0.9),)),
        )
    },
    spec_of,
)
"""By name: two forms of AdamW, SGD and SGDW with momentum, and every optimizer there is."""

DEFAULT = ("adam-l2", "adamw-torch", "adamw-paper", "prox-adam", "adam-p")
"""What a study compares unless it is told."""

BASELINE = OptimizerSpec("adam", "Adam, no decay", "w ← w − lr·u", optim.Adam, lams=(0.0,))
"""What decay is worth is measured against this one: the class Adam, with λ = 0."""
