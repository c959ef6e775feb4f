"""SGD to the letter of those that keep the learning rate inside the momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from ..optim import Optimizer
from ..rules.rule import Rule, Scalar, Start, State, zeros


@dataclass(frozen=True)
class LetterSGD(Rule):
    """SGD with the learning rate inside the momentum: a buffer of steps, not of gradients.

    ::

        b ← μb + lr·g
        look="momentum": u = b      "nesterov": u = μb + lr·g
        w ← w − u

    It differs from PyTorch's as soon as the learning rate moves. Shapes: b and u as the parameter.
    State: ``momentum_buffer`` (b). Source: Loshchilov & Hutter 2019, Algorithm 1, https://arxiv.org/abs/1711.05101;
    Keras. Deviation: none.
    """

    lr: Scalar = 1e-3
    momentum: Scalar = 0.0
    look: Literal["momentum", "nesterov"] = "momentum"

    counts_steps: ClassVar[bool] = False

    def start(self, w: Tensor, lr: Scalar) -> Start:
        return zeros(w, "momentum_buffer")

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, float, State]:
        μ, step = self.momentum, self.lr * g
        b = μ * s["momentum_buffer"] + step
        return (step + μ * b if self.look == "nesterov" else b), 1.0, {"momentum_buffer": b}

    def rate(self, lr: Scalar, t: Scalar, s: State) -> Scalar:
        return 1.0


class LetterSGDW(Optimizer, rule=LetterSGD, decay="decoupled"):
    """SGD by :class:`LetterSGD`, under any decay; made by ``Convention.optimizer``."""
