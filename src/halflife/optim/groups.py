"""A parameter group's numbers and words, read as what the engines need."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..decays import NAMED, Decay, named
from ..engines import Demands, Mode, Work
from ..regularizers import L2, Regularizer
from ..rules import Rule, Scalar
from ..step import Update, check
from .precision import check_formats, memory_of

BASE_LR = "halflife_base_lr"
"""The group's own α, as it was when the group was added. A private key: torch's schedulers write ``initial_lr``."""

SKIPPED = "halflife_skipped_steps"
"""How many steps were skipped; the same number in every group, so that checkpoints and copies keep it."""

WIDE = ("max_grad_norm", "skip_nonfinite")
"""Settings of the whole optimizer, which stand in every group alike."""

Group = dict[str, Any]


def admit(group: Group, first: Group) -> None:
    """Check what the group says, against the first group where all must say the same; note its base learning rate."""
    group[BASE_LR] = number(group["lr"])
    group[SKIPPED] = first.get(SKIPPED, 0)
    check_formats(group)
    check_pass(group, first)
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


def shared(groups: list[Group]) -> dict[str, Any]:
    """What a late group must say as the first one does."""
    return {name: groups[0][name] for name in WIDE if groups and name in groups[0]}


def check_pass(group: Group, first: Group) -> None:
    """Raise ``ValueError`` for settings of the whole pass that are out of range, or not the first group's."""
    norm, d, skip = (group.get(name) for name in ("max_grad_norm", "ema_decay", "skip_nonfinite"))
    if norm is not None and not norm > 0:
        raise ValueError(f"max_grad_norm must be None or above 0 (inf only measures), but {norm} was given.")
    if d is not None and not 0 <= d < 1:
        raise ValueError(f"ema_decay must be None, or at least 0 and below 1, but {d} was given.")
    if skip not in (None, False, True):
        raise ValueError(f"skip_nonfinite must be True or False, but {skip!r} was given.")
    for name in WIDE:
        if group.get(name) != first.get(name):
            raise ValueError(
                f"{name} is one setting for the whole optimizer, {first.get(name)!r} here, but a parameter group has "
                f"{group.get(name)!r}; give it to the optimizer instead of the group."
            )


def work_of(group: Group, rule: Rule, params: list[Tensor], factor: Scalar = 1.0) -> Work:
    """The group's step on these parameters, without their states; ``factor`` multiplies every gradient."""
    decay = decay_of(group)
    return Work(
        update=Update(rule, decay, regularizer_of(group)),
        lr=scalar(group["lr"]),
        eta=multiplier(group, decay),
        lam=scalar(group["weight_decay"]),
        params=params,
        grads=[p.grad for p in params if p.grad is not None],
        states=[],
        mode=mode_of(group),
        gradient=-factor if group["maximize"] else factor,
        memory=memory_of(group),
        ema_decay=group.get("ema_decay"),
    )


def refuse_sparse(name: str, work: Work) -> None:
    """torch's two errors for sparse gradients, and one for the decays that read the direction's coordinates."""
    update = work.update
    if not any(g.is_sparse for g in work.grads):
        return
    if update.rule.sparse == "refused":
        raise RuntimeError(f"{name} does not support sparse gradients")
    place = update.placed(work.lam)
    if place.name in ("before", "cautious") or (place.name != "none" and update.rule.sparse == "touched"):
        raise RuntimeError(
            f"weight_decay by {update.decay} is not compatible with sparse gradients in {name}; "
            "set weight_decay=0 for that group, or use SGD with an explicit or implicit decay."
        )


def demands_of(optimizer: torch.optim.Optimizer) -> Demands | None:
    """What is asked of the gradients as a whole: by the groups, and by a ``GradScaler``; None if nothing is."""
    first = optimizer.param_groups[0] if optimizer.param_groups else {}
    norm, skip = first.get("max_grad_norm"), first.get("skip_nonfinite")
    scale, found = getattr(optimizer, "grad_scale", None), getattr(optimizer, "found_inf", None)
    if norm is None and not skip and scale is None and found is None:
        return None
    plain = mode_of(first) == "plain" and all(p.is_cpu for group in optimizer.param_groups for p in group["params"])
    return Demands(norm, "skip" if skip else "step", scale, found, read=plain)
