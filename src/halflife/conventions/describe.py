"""What an optimizer's weight decay amounts to: in every convention, as a half-life, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, log, log1p, sqrt
from typing import Any

import numpy as np
import torch

from ..decays import Decay
from ..decays.base_lr import SAID
from ..engines.formats import HALF
from ..optim.groups import base_lr_of, decay_of, number, regularizer_of
from ..regularizers import L1, L2, GroupLasso, OnSubset, Regularizer, Scaled, Sum, TowardInit
from .convention import Convention
from .description import Description, GroupDescription
from .effective_update import decay_factor
from .registry import CONVENTIONS

Group = dict[str, Any]
TIMMS_PEAK = "max_lr_snapshot"
"""Where timm keeps the lr that its corrected decay is measured by."""


def describe(
    optimizer: torch.optim.Optimizer, *, steps_per_epoch: float | None = None, total_steps: int | None = None
) -> Description:
    """Describe any optimizer of halflife or torch, group by group: ``print(halflife.describe(optimizer))``.

    Args:
        optimizer: the optimizer.
        steps_per_epoch: gives half-lives in epochs too.
        total_steps: the run's length; it allows a word on a half-life that is longer, and λ in Loshchilov & Hutter's
            normalized form.

    Returns:
        The groups' descriptions, and what is to be warned of.

    Raises:
        ValueError: for a group without ``weight_decay``.

    Example:
        >>> w = torch.nn.Parameter(torch.ones(1))
        >>> found = halflife.describe(torch.optim.AdamW([w], lr=1e-3, weight_decay=0.1)).groups[0]
        >>> print(f"{found.decay}: removes {found.removed:.4g} a step, half-life {found.half_life:.0f} steps")
        explicit × lr: removes 0.0001 a step, half-life 6931 steps
        >>> round(found.weight_decays["paper"], 6)
        0.0001
    """
    groups = [_described(optimizer, i, g, steps_per_epoch, total_steps) for i, g in enumerate(optimizer.param_groups)]
    return Description(type(optimizer).__name__, tuple(groups))


def _described(
    optimizer: torch.optim.Optimizer, index: int, group: Group, steps_per_epoch: float | None, total_steps: int | None
) -> GroupDescription:
    if "weight_decay" not in group:
        raise ValueError(f"{type(optimizer).__name__} has no weight_decay in parameter group {index} to describe.")
    decay, λ, lr = decay_in(optimizer, group), number(group["weight_decay"]), number(group["lr"])
    base, R = _base_lr(group), getattr(optimizer, "regularizer", None) or regularizer_of(group)
    share, pull = _of_ridge(R), None
    if share is None:
        pull = _in_words(R, decay, λ, base)
    c, now = (None if share is None else removed(decay, share * λ, at, at / base if base else 0.0) for at in (base, lr))
    λ_ridge = λ if share is None else share * λ
    h = None if c is None else half_life(c)
    return GroupDescription(
        index=index,
        decay=str(decay),
        weight_decay=λ,
        lr=lr,
        base_lr=base,
        removed=c,
        removed_now=now,
        half_life=h,
        half_life_epochs=None if h is None or steps_per_epoch is None else h / steps_per_epoch,
        angle=None if c is None else sqrt(2 * c),
        weight_decays={} if pull else weight_decays(_rule(optimizer), decay, λ_ridge, c, base, total_steps),
        warnings=tuple(_warnings(group, decay, (c, now), (base, lr), h, total_steps)),
        pull=pull,
    )


def _base_lr(group: Group) -> float:
    """α as our optimizers read it: what the group or a scheduler says is the peak, else lr as it was at first."""
    said = [group[name] for name in (*SAID, TIMMS_PEAK) if group.get(name) is not None]
    return number(said[0] if said else base_lr_of(group))


def _of_ridge(R: Regularizer) -> float | None:
    """How many times ½‖w‖² (or ½‖w − w₀‖²) it is, None if it is something else."""
    if isinstance(R, L2 | TowardInit):
        return 1.0
    if isinstance(R, Scaled):
        inner = _of_ridge(R.of)
        return None if inner is None else R.factor * inner
    return _of_ridge(R.of) if isinstance(R, OnSubset) else None


def _in_words(R: Regularizer, decay: Decay, λ: float, base: float) -> str:
    """What a regularizer that is no ridge does in a step at the base learning rate."""
    factor, part = 1.0, R
    while isinstance(part, Scaled):
        factor, part = factor * part.factor, part.of
    if part.constraint and not isinstance(part, Sum):
        return f"{R!r} is a constraint: it holds after each step, whatever λ"
    if decay.placement == "before" or decay.needs_metric:
        return f"{R!r}: what it takes of a weight in a step depends on the gradients"
    τ = factor * float(decay.scale(base, 1.0, 1.0)) * λ
    if isinstance(part, L1):
        return f"{R!r} moves each weight toward 0 by {τ:.6g} a step at the base lr"
    if isinstance(part, GroupLasso):
        return f"{R!r} shortens each block by {τ:.6g} a step at the base lr"
    return (
        f"{R!r} acts with a threshold of {τ:.6g} a step at the base lr; it takes no fixed share, and has no half-life"
    )


def decay_in(optimizer: torch.optim.Optimizer, group: Group) -> Decay:
    """The group's treatment; plain SGD's coupled λ is the same as a decoupled one."""
    _check_known(optimizer)
    decoupled = isinstance(optimizer, _DECOUPLED) and group.get("decay") is None and "rule" not in group
    if _elsewhere(optimizer):
        decay = _by_their_flags(group)
    else:
        decay = Decay("explicit", "lr") if decoupled else decay_of(group)
    plain = _rule(optimizer) == "sgd" and number(group.get("momentum", 0.0)) == 0
    return Decay("explicit", "lr") if plain and decay.placement == "before" else decay


_DECOUPLED = tuple(getattr(torch.optim, name) for name in ("AdamW", "Muon", "Adafactor") if hasattr(torch.optim, name))
_ELSEWHERE = {
    "bitsandbytes": ("Adam", "AdamW", "Lion"),
    "optimi": ("AdamW", "StableAdamW", "Lion", "SGD"),
    "timm": ("AdamW", "NAdamW", "SGDW", "Lion"),
    "torchao": ("AdamW",),
    "lion_pytorch": ("Lion",),
    "schedulefree": (),
}
"""Classes of others whose weight_decay takes lr·λ a step but for their flags, by how their names begin."""


def _elsewhere(optimizer: torch.optim.Optimizer) -> bool:
    kind = type(optimizer)
    if getattr(optimizer, "decoupled_wd", False):
        return False  # lion_pytorch divides λ by one lr for all groups, and keeps that lr to itself
    return kind.__name__.startswith(_ELSEWHERE.get(kind.__module__.partition(".")[0], ()) or "\0")


def _by_their_flags(group: Group) -> Decay:
    """What optimi's decouple_lr and decouple_wd and timm's corrected_weight_decay make of λ."""
    if group.get("decouple_lr"):
        return Decay("explicit", "schedule")
    if group.get("corrected_weight_decay"):
        return Decay("explicit", "lr*schedule")
    return Decay("before") if group.get("decouple_wd") is False else Decay("explicit", "lr")


def _check_known(optimizer: torch.optim.Optimizer) -> None:
    """Raise ``ValueError`` for a class that computes a step of its own, and is not known here."""
    steps = next(cls for cls in type(optimizer).__mro__ if "step" in vars(cls))
    root = steps.__module__.partition(".")[0]
    if root not in ("torch", "halflife") and not _elsewhere(optimizer):
        raise ValueError(
            f"{type(optimizer).__module__}.{type(optimizer).__name__} makes a step of its own, and what its "
            "weight_decay means is not known here; halflife.conventions lists what is, and convert(…) says it in other "
            "words."
        )


def removed(decay: Decay, weight_decay: float, lr: float, eta: float) -> float | None:
    """The share of a weight that a step's decay removes, or None where it depends on the gradients."""
    if decay.placement in ("before", "cautious") or decay.needs_metric:
        return None if weight_decay else 0.0
    x = float(decay.scale(lr, eta, 1.0)) * weight_decay
    return x / (1 + x) if decay.placement == "implicit" else x


def half_life(fraction: float) -> float:
    """In how many steps a share of that much a step leaves a half."""
    return inf if fraction == 0 else 0.0 if fraction >= 1 else -log(2) / log1p(-fraction)


def _rule(optimizer: torch.optim.Optimizer) -> str:
    names = {cls.__name__ for cls in type(optimizer).__mro__}
    if names & {"SGD", "FrameworkSGDW"}:
        return "sgd"
    return "lion" if "Lion" in names else "muon" if names & {"Muon", "FrameworkMuonW"} else "adam"


def weight_decays(
    rule: str, decay: Decay, weight_decay: float, c: float | None, base: float, total_steps: int | None
) -> dict[str, float]:
    """λ in every convention of the rule that can say it."""
    found: dict[str, float] = {}
    for name, convention in CONVENTIONS.items():
        if convention.rule != rule or convention.beyond:
            continue
        if convention.order == "coupled":
            if convention.multiples:
                continue  # what λ was multiplied by is not seen in the group
            if decay.placement == "before" or weight_decay == 0:
                found[name] = weight_decay
        elif c is not None and c < 1 and base > 0:
            λ = _said_in(convention, c, base, total_steps)
            found |= {} if λ is None else {name: λ}
    return found


def _said_in(convention: Convention, c: float, base: float, total_steps: int | None) -> float | None:
    x = c / (1 - c) if convention.order == "proximal" else c
    λ = x / float(decay_factor(convention, np.array([base]), np.ones(1))[0])
    if convention.amount == "normalized":
        return None if total_steps is None else λ * sqrt(total_steps)
    return λ


def _warnings(
    group: Group,
    decay: Decay,
    shares: tuple[float | None, float | None],
    rates: tuple[float, float],
    h: float | None,
    total_steps: int | None,
) -> Iterator[str]:
    """What is likely to be a mistake."""
    λ, (c, now), (base, lr) = number(group["weight_decay"]), shares, rates
    if λ == 0:
        return
    yield from _thin(group)
    if any(x is not None and x >= 1 for x in shares):
        yield f"a step removes {max(x or 0 for x in shares):.4g} of each weight, and 1 is all of it; λ is too large"
    if decay.needs_schedule and lr > base * (1 + 1e-9):
        yield (
            f"lr is {lr / base:.4g} times the {base:g} that the group was added with, and the decay by as much above "
            "λ; add the group with the schedule's peak learning rate"
        )
    yield from _lost(group, now)
    if h is not None and c and total_steps is not None and h > total_steps:
        yield f"the half-life of {h:.4g} steps is longer than the run of {total_steps}: λ does little in it"


def _thin(group: Group) -> Iterator[str]:
    thin = sum(p.dim() <= 1 for p in group["params"])
    if thin:
        yield (
            f"{thin} of its {len(group['params'])} parameters have one dimension or none, as biases and norms do; "
            "put them into a group with weight_decay=0"
        )


def _lost(group: Group, now: float | None) -> Iterator[str]:
    """Decays nearer to nothing than half a unit of the weights' format."""
    if not now or group.get("rounding", "nearest") != "nearest":
        return
    for dtype in {p.dtype for p in group["params"] if p.dtype in HALF}:
        if now < torch.finfo(dtype).eps / 4:
            yield (
                f"{dtype} rounds a factor of {1 - now:.8g} to 1, so that the decay alone moves no weight; use "
                "rounding='kahan' or 'stochastic'"
            )
