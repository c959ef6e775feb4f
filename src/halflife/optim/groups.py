"""A parameter group's numbers and words, read as what the engines need."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..decays import NAMED, Decay, named
from ..engines import Mode
from ..regularizers import L2, Regularizer
from ..rules import Scalar
from ..step import check

BASE_LR = "halflife_base_lr"
"""The group's own α, as it was when the group was added. A private key: torch's schedulers write ``initial_lr``."""

Group = dict[str, Any]


def admit(group: Group) -> None:
    """Check what the group says of decay and regularizer, and note its base learning rate."""
    group[BASE_LR] = number(group["lr"])
    decay, regularizer = decay_of(group), regularizer_of(group)
    check(decay, regularizer)
    for p in group["params"]:
        regularizer.check(p)
    multiplier(group, decay)


def decay_of(group: Group) -> Decay:
    """The group's treatment; without one of ours, what torch's ``decoupled_weight_decay`` says."""
    given = group.get("decay")
    if given is None:
        return NAMED["decoupled" if group.get("decoupled_weight_decay") else "coupled"]
    return named(given)


def regularizer_of(group: Group) -> Regularizer:
    """The group's regularizer, ½‖w‖² unless it names another."""
    given = group.get("regularizer")
    if given is None:
        return L2()
    if not isinstance(given, Regularizer):
        raise ValueError(
            f"regularizer={given!r} is not a regularizer; give one of halflife.regularizers, such as L1() or "
            "GroupLasso(dim=1), or an object of your own that derives from halflife.regularizers.Regularizer."
        )
    return given


def scalar(x: Any) -> Scalar:
    """A hyper-parameter as a number or a 0-d tensor."""
    return x.squeeze() if isinstance(x, Tensor) and x.dim() else x


def number(x: Any) -> float:
    """A hyper-parameter's value, without autograd's warning that its graph ends here."""
    return float(x.detach()) if isinstance(x, Tensor) else float(x)


def multiplier(group: Group, decay: Decay) -> Scalar:
    """η = lr/α, the schedule's multiplier; α is a constant, also to autograd.

    Raises ``ValueError`` where it is needed and α is 0.
    """
    λ, α = group["weight_decay"], group[BASE_LR]
    if not decay.needs_schedule or (isinstance(λ, int | float) and λ == 0):
        return 1.0
    if α == 0:
        raise ValueError(
            f"decay '{decay}' measures the schedule as lr/(base lr), and this group was added with lr=0; "
            "give it its peak learning rate and let the scheduler start from 0."
        )
    return scalar(group["lr"]) / α


def mode_of(group: Group) -> Mode:
    """How the engine is to compute, from torch's flags."""
    if group.get("differentiable"):
        return "differentiable"
    return "capturable" if group.get("capturable") else "plain"


def clock_place(group: Group, p: Tensor) -> tuple[torch.device, torch.dtype]:
    """Where torch keeps the step count: on the CPU in the default dtype, unless a graph or a fused kernel reads it."""
    on_device = group.get("capturable") or group.get("fused")
    wide = torch.get_default_dtype() == torch.float64 and not group.get("fused")
    return p.device if on_device else torch.device("cpu"), torch.float64 if wide else torch.float32
