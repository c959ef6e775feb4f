"""What a user may write: a type checker has nothing to say about this file, and it runs."""
# pyright: strict

from dataclasses import dataclass
from typing import Any

import torch
from typing_extensions import Unpack

import halflife
import halflife as optim
from halflife import AdamW, Decay, HalfLife, Optimizer, ProxAdam, param_groups
from halflife.optim import Options
from halflife.regularizers import L1, GroupLasso
from halflife.rules import Rule
from halflife.schedules import CosineWD

model = torch.nn.Linear(2, 2)
ps = list(model.parameters())
settings: dict[str, Any] = {"lr": 0.1, "decay": "proximal"}

AdamW(ps)
AdamW(model.parameters(), 1e-3, (0.9, 0.95), weight_decay=0.1)
AdamW(model.named_parameters(), lr=torch.tensor(1e-3), betas=(torch.tensor(0.9), torch.tensor(0.95)))
AdamW([{"params": ps, "lr": 0.1, "decay": "proximal"}], fused=True, decay="independent", eps_inside=True)
AdamW(param_groups(model), weight_decay=HalfLife(steps=100), regularizer=None)
AdamW(ps, weight_decay=CosineWD(0.1, 0.0, 10), decay=Decay("implicit", "lr"))
AdamW(ps, **settings)
ProxAdam(ps, regularizer=GroupLasso(dim=0), state_dtype="8bit", rounding="kahan", engine="native", base_lr=0.1)
halflife.SGD(ps, momentum=0.9, nesterov=True, regularizer=L1(), decay="proximal", state_dtype=torch.bfloat16)
halflife.Lion(ps, max_grad_norm=1.0, ema_decay=0.999, skip_nonfinite=True)
halflife.Rprop(ps, weight_decay=0.1)

adamw: torch.optim.AdamW = optim.AdamW(ps)
optim.lr_scheduler.CosineAnnealingLR(adamw, 10)
optim.swa_utils.AveragedModel(model)
optim.LBFGS(ps)


@dataclass(frozen=True)
class Sign(Rule):
    """A rule of one's own."""

    gain: float = 1.0

    def __call__(self, t: Any, w: Any, g: Any, s: Any) -> Any:
        return self.gain * g.sign(), 1.0, {}


class MySign(Optimizer, rule=Sign, lr=1e-3, decay="proximal"):
    """Its optimizer."""


class Named(AdamW):
    """A constructor of one's own."""

    def __init__(self, params: Any, strength: float = 0.1, **options: Unpack[Options]) -> None:
        super().__init__(params, lr=0.1, weight_decay=strength, **options)


MySign(ps, gain=2.0, weight_decay=0.1).step()
Named(ps, strength=0.2, decay="proximal")
