"""SGD as those frameworks write it that keep the learning rate inside the momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from ..optim import Optimizer
from ..rules import Rule, Scalar, State, States, StateSpec
from .framework_adam import with_renamed_setting


@dataclass(frozen=True)
class FrameworkSGD(Rule):
    """SGD with the learning rate inside the momentum: a buffer of steps, not of gradients.

    ::

        b ← μb + lr·g
        momentum_type="momentum": u = b      "nesterov": u = μb + lr·g
        w ← w − u

    It differs from PyTorch's as soon as the learning rate moves. Shapes: b and u as the parameter.
    State: ``momentum_buffer`` (b). Source: Loshchilov & Hutter 2019, Algorithm 1, https://arxiv.org/abs/1711.05101;
    Keras. Deviation: none.
    """

    lr: Scalar = 1e-3
    momentum: Scalar = 0.0
    momentum_type: Literal["momentum", "nesterov"] = "momentum"

    acts_on = "coordinates"
    metric = "identity"
    counts_steps = False

    @property
    def states(self) -> States:
        return (StateSpec("momentum_buffer"),)

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, float, State]:
        μ, step = self.momentum, self.lr * g
        b = μ * s["momentum_buffer"] + step
        return (step + μ * b if self.momentum_type == "nesterov" else b), 1.0, {"momentum_buffer": b}

    def rate(self, lr: Scalar, t: Scalar, s: State) -> Scalar:
        return 1.0


class FrameworkSGDW(Optimizer, rule=FrameworkSGD, decay="decoupled"):
    """SGD by :class:`FrameworkSGD`, under any decay; made by ``Convention.optimizer``."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As of any optimizer; ``momentum_type`` was called ``look`` in older dicts."""
        super().load_state_dict(with_renamed_setting(state_dict, "look", "momentum_type"))
