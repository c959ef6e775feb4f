"""What is measured of one parameter group in one step, and the angle that it is to be compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from math import asin, atan2, ceil, log, pi, sqrt
from typing import Any

import torch
from torch import Tensor

from ..decays import Decay
from ..engines.group_step import as_real
from ..optim import Optimizer
from ..optim.groups import GroupView, number
from ..regularizers import L2, Regularizer, Scaled
from ..rules import SGD, Adadelta, Adam, Adamax, Lion, RAdam, RMSprop, Rule
from ..sharded.reduction import Reduction
from ..sharded.sharding import here

PIECE, LARGE_PIECE = 1 << 16, 1 << 24
"""Coordinates that are summed at once, on a CPU and on an accelerator."""


@dataclass(frozen=True)
class Measurement:
    """One parameter group in one step, over its parameters that had a gradient; None where a number has no meaning.

    Attributes:
        step: its number, from 1, as the Monitor counts.
        group: the group's ``name``, or its place.
        lr, weight_decay: in force.
        weight_norm: ‖w‖ after the step.
        change: ‖Δw‖/‖w‖.
        angle: between w before and after, all tensors as one vector, in radians.
        equilibrium: the angle at which decay and gradients balance (see ``equilibrium_angle``).
        decay_share: d/(d+r), d the length of what decay did, r that of the step without it.
        cautious_skipped: the share of coordinates that a cautious decay left alone.
        clip_factor: what multiplied the gradients for ``max_grad_norm``.
        grad_norm: the norm of all gradients before that.
        skipped: whether nothing moved.
        skipped_steps: how many steps were skipped so far.

    Example:
        >>> w = torch.nn.Parameter(torch.ones(2))
        >>> optimizer = halflife.SGD([w], lr=0.1)
        >>> with halflife.Monitor(optimizer, every=1) as monitor:
        ...     w.grad = torch.ones(2)
        ...     optimizer.step()
        >>> measured = monitor.last[0]
        >>> f"‖w‖ {measured.weight_norm:.4f}, changed by {measured.change:.4f} of it"
        '‖w‖ 1.2728, changed by 0.1000 of it'
    """

    step: int
    group: str
    lr: float
    weight_decay: float
    weight_norm: float
    change: float | None
    angle: float | None
    equilibrium: float | None
    decay_share: float | None
    cautious_skipped: float | None
    clip_factor: float | None
    grad_norm: float | None
    skipped: bool
    skipped_steps: int

    def numbers(self) -> dict[str, float]:
        """All that is known, by name, but for step and group."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("step", "group")}
        return {name: float(value) for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Before:
    """One tensor's weights before the step, and as the step would have left them without decay, where it has one."""

    w: Tensor
    undecayed: Tensor | None


@dataclass
class Sums:
    """Sums over all coordinates of a group, of products: w before, Δ the change, d the part of decay, r the rest."""

    w2: float = 0.0
    new2: float = 0.0
    Δ2: float = 0.0
    wΔ: float = 0.0
    d2: float = 0.0
    r2: float = 0.0
    decayed2: float = 0.0
    skipped: float = 0.0
    n: int = 0


def summed(pairs: Iterable[tuple[Tensor, Before]], decay: Decay, reduction: Reduction | None = None) -> Sums:
    """The sums over these tensors, piece by piece so that what is computed on the way stays in the cache.

    With a ``reduction`` over all of its processes, each coordinate counted once.
    """
    cautious, parts, n = decay.placement == "cautious", list[Tensor](), 0.0
    for k, (p, before) in enumerate(pairs):
        new, w = _flat(p), _flat(before.w)
        undecayed = new if before.undecayed is None else _flat(before.undecayed)
        pieces = zip(_pieces(new), _pieces(w), _pieces(undecayed), strict=True)
        share = 1.0 if reduction is None else 1.0 / reduction.copies[k]
        sums = torch.stack([_of_piece(a, b, c, cautious) for a, b, c in pieces]).sum(0) * share
        parts.append(sums.to(parts[0].device if parts else sums.device))
        n += w.numel() * share
    total = torch.stack(parts).cpu().double().sum(0) if parts else torch.zeros(8, dtype=torch.float64)
    numbers = [*total, n] if reduction is None else reduction.total([*total, n])
    w2, new2, Δ2, wΔ, d2, r2, decayed2, skipped, n = map(float, numbers)
    return Sums(w2, new2, Δ2, wΔ, d2, r2, decayed2, skipped, round(n))


def _of_piece(new: Tensor, w: Tensor, undecayed: Tensor, cautious: bool) -> Tensor:
    """In the order of ``Sums``, on the tensors' device: an accelerator is waited for once, at the end."""
    Δ, d, r = new - w, new - undecayed, undecayed - w
    w2 = w.dot(w)
    away = r * w > 0 if cautious else None
    skipped = [w2, w2] if away is None else [w.masked_fill(away, 0.0).square().sum(), away.sum().to(w.dtype)]
    return torch.stack([w2, new.dot(new), Δ.dot(Δ), w.dot(Δ), d.dot(d), r.dot(r), *skipped])


def _pieces(x: Tensor) -> tuple[Tensor, ...]:
    return torch.split(x, PIECE if x.is_cpu else LARGE_PIECE)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def _flat(x: Tensor) -> Tensor:
    x = here(x)
    return as_real(x.detach()).reshape(-1).to(torch.promote_types(torch.float32, as_real(x).dtype))


def measurement_of(optimizer: Optimizer, index: int, step: int, skipped: bool, sums: Sums) -> Measurement:
    """The group's numbers of this step, from its settings and its sums."""
    group, view = optimizer.param_groups[index], optimizer.view(optimizer.param_groups[index])
    λ, lr = number(view.lam), number(view.lr)
    norm, clip = _clipping(optimizer, group)
    cautious = view.decay.placement == "cautious" and not skipped
    return Measurement(
        step=step,
        group=str(group.get("name", index)),
        lr=lr,
        weight_decay=λ,
        weight_norm=sqrt(sums.new2),
        change=sqrt(sums.Δ2 / sums.w2) if sums.w2 else None,
        angle=_angle(sums),
        equilibrium=None if skipped else _equilibrium(view, λ, lr, sums),
        decay_share=sqrt(sums.d2) / (sqrt(sums.d2) + sqrt(sums.r2)) if sums.d2 + sums.r2 else None,
        cautious_skipped=sums.skipped / sums.n if cautious else None,
        clip_factor=None if skipped else clip,
        grad_norm=norm,
        skipped=skipped,
        skipped_steps=optimizer.skipped_steps,
    )


def _angle(sums: Sums) -> float | None:
    """Between w and w+Δ, by the part of Δ at a right angle to w: small angles keep their digits."""
    if not sums.w2:
        return None
    across2 = max(0.0, sums.Δ2 - sums.wΔ**2 / sums.w2)
    return atan2(sqrt(across2), sqrt(sums.w2) + sums.wΔ / sqrt(sums.w2))


def _equilibrium(view: GroupView, λ: float, lr: float, sums: Sums) -> float | None:
    """Cautious decay removes its share of the weights that it does not skip alone."""
    rule, decay, η = view.rule, view.decay, number(view.multiplier(view.lr))
    removed = removed_share(rule, decay, view.regularizer, lr, η, λ)
    if removed is not None and decay.placement == "cautious" and sums.w2:
        removed *= sums.decayed2 / sums.w2
    return equilibrium_angle(rule, decay, removed)


def _clipping(optimizer: Optimizer, group: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The norm of all gradients, and the factor that it was clipped by."""
    largest, norm = group.get("max_grad_norm"), optimizer.grad_norm
    if norm is None:
        return None, None
    return number(norm), None if largest is None else min(1.0, largest / (number(norm) + 1e-6))


def equilibrium_angle(rule: Rule, decay: Decay, removed: float | None) -> float | None:
    """``√(2c)·√q`` radians a step; c is the share of a weight that the decay removes in a step, lr·λ or ηλ.

    Gradients at random right angles to w lengthen it, ‖w‖² by the square of the way that one of them goes in the end;
    decay shortens it, ‖w‖² by 2c. Momentum cuts the way into small pieces: the angle of a single step is smaller by
    q = Σaₖ²/(Σaₖ)², aₖ the weight of the gradient k steps ago; without momentum q = 1, for Adam (1−β₁)/(1+β₁). Coupled
    SGD, whose decay goes through the momentum μ too, has 2·lr·λ/(1+μ) under the root.

    It holds for weights whose scale does not matter (before a norm) and whose gradients have no lasting direction,
    after some 1/(2c) steps, for c well below 1 over the steps that momentum remembers. None where it is not known:
    another regularizer than ½‖w‖², the metric's decays, NAdam, whose β₁ moves, and rules without a steady step.
    Source: Kosson, Messmer & Jaggi 2023, https://arxiv.org/abs/2305.17212, table 1.
    Deviation: Lion's q is that of its signs.
    """
    q = averaging_factor(rule)
    if removed is None or q is None:
        return None
    if decay.placement == "before":
        μ = float(rule.momentum) if isinstance(rule, SGD) and rule.momentum_type == "momentum" else 0.0
        return sqrt(2 * removed / (1 + μ))
    return sqrt(2 * removed * q)


def removed_share(
    rule: Rule, decay: Decay, regularizer: Regularizer, lr: float, eta: float, lam: float
) -> float | None:
    """c, the share of each weight that a step's decay removes; None where it is no such share."""
    factor = 1.0
    while isinstance(regularizer, Scaled):
        factor, regularizer = factor * regularizer.factor, regularizer.of
    if not isinstance(regularizer, L2) or decay.needs_metric:
        return None
    if decay.placement == "before":
        return factor * lam * lr if isinstance(rule, SGD) and rule.momentum_type != "nesterov" else None
    x = factor * lam * float(decay.scale(lr, eta, 1.0))
    return x / (1 + x) if decay.placement == "implicit" else x


def averaging_factor(rule: Rule) -> float | None:
    """q = Σaₖ²/(Σaₖ)² of the weights aₖ with which a rule's direction adds past gradients."""
    of: Any = rule
    if isinstance(rule, Lion):
        return _of_lion(float(of.beta1), float(of.beta2))
    if isinstance(rule, Adam | RAdam | Adamax):
        return _of_momentum(float(of.beta1))
    if isinstance(rule, SGD | RMSprop):
        μ = float(of.momentum)
        return (
            1.0
            if rule.momentum_type == "plain"
            else _of_momentum(μ)
            if rule.momentum_type == "momentum"
            else _of_nesterov(μ)
        )
    return 1.0 if isinstance(rule, Adadelta) else None


def _of_momentum(μ: float) -> float:
    """Of aₖ = μᵏ."""
    return (1 - μ) / (1 + μ)


def _of_nesterov(μ: float) -> float:
    """Of Nesterov's: a₀ = 1 + μ, aₖ = μᵏ⁺¹."""
    return ((1 + μ) ** 2 + μ**4 / (1 - μ**2)) * (1 - μ) ** 2


def _of_lion(β1: float, β2: float) -> float:
    """Of Lion's: signs of sums with a₀ = 1 − β₁, aₖ = β₁(1 − β₂)β₂ᵏ⁻¹, whose correlation ρ is (2/π)·asin ρ of signs."""
    square = (1 - β1) ** 2 + β1**2 * (1 - β2) / (1 + β2)
    first = ((1 - β1) * β1 * (1 - β2) + β1**2 * (1 - β2) / (1 + β2) * β2) / square
    far = ceil(log(1e-6) / log(β2)) if 0 < β2 < 1 else 1
    return 1 / (1 + 4 / pi * sum(asin(min(1.0, first * β2**k)) for k in range(far)))
