"""Muon: momentum, orthogonalized."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal

from torch import Size, Tensor

from .newton_schulz import Form, Precision, newton_schulz
from .rule import Rule, Scalar, State, States, StateSpec

Scale = Literal["original", "match_rms_adamw", "spectral_unclamped"]


@dataclass(frozen=True)
class Muon(Rule):
    """Muon: the momentum of a matrix with its singular values brought near 1, in a scale that its shape says::

        b ← μb + (1−μ)g,   v = b (momentum_type="momentum")  or  μb + (1−μ)g ("nesterov")
        u = ρ·NS(v),       NS(v) ≈ UVᵀ for v = UΣVᵀ: ``newton_schulz``, in ``precision``

    Shapes: all as the parameter. State: ``momentum_buffer`` (b). Deviation: as in PyTorch's code b is a mean, no sum.
    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/; scale: https://arxiv.org/abs/2502.16982.

    Args:
        momentum, momentum_type: μ, and which v.
        coefficients, eps, steps, precision, form: of ``newton_schulz``; ``steps`` below 100.
        scale: ρ of A rows, B columns: √max(1, A/B), 0.2·√max(A, B) or, "spectral_unclamped", √(A/B).
        matrices: "stacked", in the last two dimensions; or "flattened", the first by all others, as convolutions.

    Raises:
        ValueError: for 100 steps or more.

    Example:
        >>> halflife.rules.Muon(precision="float32").direction(torch.diag(torch.tensor([100.0, 1.0])))
        tensor([[0.6965, 0.0000],
                [0.0000, 0.6989]])
    """

    momentum: Scalar = 0.95
    momentum_type: Literal["momentum", "nesterov"] = "nesterov"
    coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315)
    eps: float = 1e-7
    steps: int = 5
    scale: Scale = "original"
    matrices: Literal["as they are", "flattened", "stacked"] = "as they are"
    precision: Precision = "bfloat16"
    form: Form = "quintic"

    acts_on = "matrices"
    metric = None
    counts_steps = False

    @property
    def states(self) -> States:
        return (StateSpec("momentum_buffer"),)

    def __post_init__(self) -> None:
        if self.steps >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")

    def check(self, p: Tensor) -> None:
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        if p.dim() < 2 or (p.dim() > 2 and self.matrices == "as they are"):
            raise ValueError(
                f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}; give it another "
                "rule, or say matrices='flattened' of convolutions, 'stacked' of stacks of matrices."
            )

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, float, State]:
        μ = self.momentum
        b = s["momentum_buffer"].lerp(g, 1 - μ)
        v = g.lerp(b, μ) if self.momentum_type == "nesterov" else b
        return self.direction(v), 1.0, {"momentum_buffer": b}

    def direction(self, v: Tensor) -> Tensor:
        M = v.flatten(1) if self.matrices == "flattened" else v
        u, ρ = newton_schulz(M, self.coefficients, self.steps, self.eps, self.precision, self.form), self.ρ(v.shape)
        return (u if ρ == 1 else ρ * u).view_as(v)

    def ρ(self, shape: Size) -> float:
        rows = shape[0] if self.matrices == "flattened" else shape[-2]
        columns = shape[1:].numel() if self.matrices == "flattened" else shape[-1]
        if self.scale == "match_rms_adamw":
            return 0.2 * sqrt(max(rows, columns))
        ratio = rows / columns if columns else 1.0
        return sqrt(ratio if self.scale == "spectral_unclamped" else max(1.0, ratio))
