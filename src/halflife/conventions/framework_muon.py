# pyright: reportConstantRedefinition=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""Muon as those frameworks write it that sum the gradients, iterate or scale otherwise than PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, Literal

import torch
from torch import Size, Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from ..optim import Optimizer
from ..rules import Rule, Scalar, State, States, StateSpec
from ..rules.newton_schulz import Precision, newton_schulz, plus_product, symmetric_product

MuonScale = Literal["original", "match_rms_adamw", "spectral_unclamped", "longest side", "none"]
Coefficients = Literal["simple", "quintic"]
Norm = Literal["clamped", "standard"]
MomentumType = Literal["momentum", "nesterov"]

COEFFICIENTS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "simple": ((3.4445, -4.7750, 2.0315),),
    "quintic": (
        (4.0848, -6.8946, 2.9270),
        (3.9505, -6.3029, 2.6377),
        (3.7418, -5.5913, 2.3037),
        (2.8769, -3.1427, 1.2046),
        (2.8366, -3.0525, 1.2012),
    ),
}
"""a, b and c of one iteration after the other, from the first again after the last: PyTorch's, and Dion's."""


def muon_scale(scale: MuonScale, rows: int, columns: int) -> float:
    """ρ, what the step of a matrix is multiplied by."""
    match scale:
        case "original":
            return sqrt(max(1.0, rows / columns)) if columns else 1.0
        case "match_rms_adamw":
            return 0.2 * sqrt(max(rows, columns))
        case "spectral_unclamped":
            return sqrt(rows / columns) if columns else 1.0
        case "longest side":
            return sqrt(max(rows, columns))
        case "none":
            return 1.0


@dataclass(frozen=True)
class MuonForm:
    """A framework's Muon in our words, and what it calls the others that it has.

    ``scale``, ``momentum_type``, ``coefficients``, ``average`` and ``matrices`` are :class:`FrameworkMuon`'s, at the
    framework's defaults. ``scales`` and ``sets`` are the words that its flags take for our scales and coefficients.
    """

    scale: MuonScale
    momentum_type: MomentumType
    coefficients: Coefficients
    scales: Mapping[str, str | None] = field(hash=False)
    scale_flag: str
    sets: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    set_flag: str = ""
    average: Literal["mean", "sum"] = "mean"
    matrices: Literal["as they are", "flattened", "stacked"] = "as they are"

    @property
    def is_torchs(self) -> bool:
        """Whether it is Muon as PyTorch has it, but for the decay."""
        return (self.coefficients, self.average) == ("simple", "mean")


@dataclass(frozen=True)
class FrameworkMuon(Rule):
    """Muon, as a framework writes it.

    ::

        average="mean": b ← μb + (1−μ)g,   v = b, or μb + (1−μ)g (momentum_type="nesterov")
                "sum":  b ← μb + g,        v = b, or μb + g
        eps_form="clamped": X = v/max(‖v‖, ε)             "standard": X = v/(‖v‖ + ε)
        k times A = XXᵀ, X ← aX + (bA + cA²)X             by ``COEFFICIENTS[coefficients]``, one set after the other
        u = r·ρ·X

    ======================  ===============================
    ``scale``               ρ of a matrix of A rows, B columns
    ======================  ===============================
    ``original``            √max(1, A/B)
    ``match_rms_adamw``     0.2·√max(A, B)
    ``spectral_unclamped``  √(A/B)
    ``longest side``        √max(A, B)
    ``none``                1
    ======================  ===============================

    r is ``extra_scale``. Sum and average have one direction, v being a multiple of the other: they differ in what ε is
    beside. Shapes: g, b and u as the parameter, a matrix, or as :class:`halflife.rules.Muon`'s ``matrices`` says.
    State: ``momentum_buffer`` (b). Source: the frameworks named in ``conventions.frameworks``. Deviation: in rounding
    alone, as the products are made in ``ns_precision``.
    """

    momentum: Scalar = 0.95
    momentum_type: MomentumType = "momentum"
    average: Literal["mean", "sum"] = "mean"
    coefficients: Coefficients = "quintic"
    steps: int = 5
    eps: float = 1e-7
    eps_form: Norm = "clamped"
    scale: MuonScale = "longest side"
    extra_scale: Scalar = 1.0
    matrices: Literal["as they are", "flattened", "stacked"] = "as they are"
    ns_precision: Precision = "bfloat16"

    acts_on = "matrices"
    metric = None
    counts_steps = False

    @property
    def states(self) -> States:
        return (StateSpec("momentum_buffer"),)

    def __post_init__(self) -> None:
        sets = len(COEFFICIENTS[self.coefficients])
        if self.steps < 1 or self.steps % sets:
            raise ValueError(
                f"steps={self.steps} must be a multiple of {sets}, the iterations in {self.coefficients!r}."
            )

    def check(self, p: Tensor) -> None:
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters; give them another rule.")
        if p.dim() < 2 or (p.dim() > 2 and self.matrices == "as they are"):
            raise ValueError(
                f"this Muon takes matrices, and a parameter of shape {tuple(p.shape)} was given; give it another rule, "
                "or say matrices='flattened' of convolutions, 'stacked' of stacks of matrices."
            )

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, float, State]:
        μ, b = self.momentum, s["momentum_buffer"]
        new = g if self.average == "sum" else (1 - μ) * g
        b = μ * b + new
        v = μ * b + new if self.momentum_type == "nesterov" else b
        return self.direction(v), 1.0, {"momentum_buffer": b}

    def direction(self, v: Tensor) -> Tensor:
        M = v.flatten(1) if self.matrices == "flattened" else v
        X = orthogonalized(M, self.coefficients, self.steps, self.eps, self.eps_form, self.ns_precision)
        u = self.extra_scale * self.ρ(v.shape) * X
        return u.view_as(v) if self.matrices == "flattened" else u

    def ρ(self, shape: Size) -> float:
        if self.matrices == "flattened":
            return muon_scale(self.scale, shape[0], shape[1:].numel())
        return muon_scale(self.scale, shape[-2], shape[-1])


def orthogonalized(
    x: Tensor, coefficients: Coefficients, steps: int, eps: float, eps_form: Norm, precision: Precision
) -> Tensor:
    """``UVᵀ`` of each matrix ``UΣVᵀ`` of x (…, A, B), as :class:`FrameworkMuon` iterates, in x's dtype."""
    if has_torch_function_unary(x):  # many tensors, which an engine stacks
        many: Any = handle_torch_function(orthogonalized, (x,), x, coefficients, steps, eps, eps_form, precision)
        return many
    X, tall = x.to(getattr(torch, precision)), x.size(-2) > x.size(-1)
    X = X.transpose(-2, -1) if tall else X
    norm: Any = torch.linalg.matrix_norm(X, keepdim=True)
    X = X / (norm.clamp(min=eps) if eps_form == "clamped" else norm + eps)
    sets = COEFFICIENTS[coefficients]
    for k in range(steps):
        a, b, c = sets[k % len(sets)]
        A = symmetric_product(X)
        X = plus_product(a, X, 1.0, symmetric_product(A, b, A, c), X)
    return (X.transpose(-2, -1) if tall else X).to(x.dtype)


orthogonalized.stacks_up_to = newton_schulz.stacks_up_to  # type: ignore[attr-defined]  # pyright: ignore


class FrameworkMuonW(Optimizer, rule=FrameworkMuon, decay="decoupled"):
    """Muon by :class:`FrameworkMuon`, under any decay; made by ``Convention.optimizer``."""


def muon_settings(form: MuonForm, eps_form: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given of a framework's flags, in the words of the class that is built."""
    if form.is_torchs:
        return dict(given)  # torch's own flags
    settings = dict(given)
    nesterov = settings.pop("nesterov", form.momentum_type == "nesterov")
    scale = _word(settings, form.scale_flag, form.scales, form.scale)
    coefficients = _word(settings, form.set_flag, form.sets, form.coefficients)
    flatten = settings.pop("flatten", False)
    forms = {
        "momentum_type": "nesterov" if nesterov else "momentum",
        "average": form.average,
        "coefficients": coefficients,
        "eps_form": eps_form,
        "scale": scale,
        "matrices": "flattened" if flatten else form.matrices,
    }
    return {**forms, **settings}


def _word(settings: dict[str, Any], flag: str, words: Mapping[str, str | None], default: str) -> str:
    """Our word for what a flag says; it is taken out of the settings."""
    if flag not in settings:
        return default
    said = settings.pop(flag)
    for ours, theirs in words.items():
        if theirs == said:
            return ours
    raise ValueError(f"{flag}={said!r} is not known; choose one of {', '.join(map(repr, words.values()))}.")
