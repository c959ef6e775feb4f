"""What an optimizer's weight decay amounts to: in every convention, as a half-life, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, log, log1p, sqrt
from typing import Any

import numpy as np
import torch

from ..decays import Decay
from ..engines.formats import HALF
from ..optim.groups import base_lr_of, decay_of, number
from .convention import Convention
from .description import Description, GroupDescription
from .effective_update import decay_factor
from .registry import CONVENTIONS

Group = dict[str, Any]


def describe(
    optimizer: torch.optim.Optimizer, *, steps_per_epoch: float | None = None, total_steps: int | None = None
) -> Description:
    """Describe any optimizer of halflife or torch, group by group: ``print(halflife.describe(optimizer))``.

    ``steps_per_epoch`` gives half-lives in epochs too; ``total_steps``, the run's length, allows a word on a half-life
    that is longer, and λ in Loshchilov & Hutter's normalized form. Raises ``ValueError`` for a group without
    ``weight_decay``.
    """
    groups = [_described(optimizer, i, g, steps_per_epoch, total_steps) for i, g in enumerate(optimizer.param_groups)]
    return Description(type(optimizer).__name__, tuple(groups))


def _described(
    optimizer: torch.optim.Optimizer, index: int, group: Group, steps_per_epoch: float | None, total_steps: int | None
) -> GroupDescription:
    if "weight_decay" not in group:
        raise ValueError(f"{type(optimizer).__name__} has no weight_decay in parameter group {index} to describe.")
    decay, λ, lr = decay_in(optimizer, group), number(group["weight_decay"]), number(group["lr"])
    base = number(base_lr_of(group))
    c, now = (removed(decay, λ, at, at / base if base else 0.0) for at in (base, lr))
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
        weight_decays=weight_decays(_rule(optimizer), decay, λ, c, base, total_steps),
        warnings=tuple(_warnings(group, decay, (c, now), (base, lr), h, total_steps)),
    )


def decay_in(optimizer: torch.optim.Optimizer, group: Group) -> Decay:
    """The group's treatment; plain SGD's coupled λ is the same as a decoupled one."""
    is_adamw = isinstance(optimizer, torch.optim.AdamW) and group.get("decay") is None
    decay = Decay("explicit", "lr") if is_adamw else decay_of(group)
    plain = isinstance(optimizer, torch.optim.SGD) and number(group.get("momentum", 0.0)) == 0
    return Decay("explicit", "lr") if plain and decay.placement == "before" else decay


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
    return "sgd" if names & {"SGD", "FrameworkSGDW"} else "lion" if "Lion" in names else "adam"


def weight_decays(
    rule: str, decay: Decay, weight_decay: float, c: float | None, base: float, total_steps: int | None
) -> dict[str, float]:
    """λ in every convention of the rule that can say it."""
    found: dict[str, float] = {}
    for name, convention in CONVENTIONS.items():
        if convention.rule != rule or convention.beyond:
            continue
        if convention.order == "coupled":
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
