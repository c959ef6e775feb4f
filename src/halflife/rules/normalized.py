# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
"""Any rule, with steps as long as the weights were at first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .rule import Rule, Scalar, Start, State, States, StateSpec


@dataclass(frozen=True)
class Normalized(Rule):
    """Another rule's direction at the length R of the tensor's first weights, so that lr is a share of them.

    ::

        u′, D′, s = rule(t, w, g, s)
        u = R·u′/‖u′‖,   D = D′·‖u′‖/R          0 where u′ is

    With the regularizer ``Sphere()``, whose prox is ``R·y/‖y‖``, and an implicit decay that is Hyperball:
    ``W ← R·N(W − lr·R·N(u′))``, N(x) = x/‖x‖.

    Shapes: g, u and u′ as the parameter, all of it one vector, R (1, …, 1). State: the rule's own and ``radius`` (R),
    the norm of the first step's weights. Its metric is the rule's, as long as u is short.
    Source: Wen et al. 2026, https://arxiv.org/abs/2606.16899. Deviation: a rule's own rate (Adagrad's) is kept.

    Args:
        rule: the other rule.

    Example:
        >>> rule, w = halflife.rules.Normalized(halflife.rules.SGD()), torch.tensor([3.0, 4.0])
        >>> rule(1, w, torch.tensor([0.0, 0.1]), rule.start(w, lr=0.1))[0]
        tensor([0., 5.])
    """

    rule: Rule

    @property
    def acts_on(self) -> Literal["matrices", "tensors"]:  # type: ignore[override]
        return "matrices" if self.rule.acts_on == "matrices" else "tensors"

    @property
    def metric(self) -> Literal["diagonal"] | None:  # type: ignore[override]
        return None if self.rule.metric is None else "diagonal"

    @property
    def counts_steps(self) -> bool:  # type: ignore[override]
        return self.rule.counts_steps

    @property
    def states(self) -> States:
        return (*self.rule.states, StateSpec("radius", "one", sign="never negative"))

    def check(self, p: Tensor) -> None:
        self.rule.check(p)
        if not p.is_meta and p.numel() and bool(_norm(p.detach()) == 0):
            raise ValueError(
                f"direction='normalized' steps by the norm that a parameter begins with, and one of shape "
                f"{tuple(p.shape)} is 0; initialize it, or put it in a group of its own."
            )

    def start(self, w: Tensor, lr: Scalar) -> Start:
        return {**self.rule.start(w, lr), "radius": _norm(w)}

    def tick(self, t: Scalar, s: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        return self.rule.tick(t, s)

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor, State]:
        u, D, new = self.rule(t, w, g, s)
        norm = _norm(u)
        scale = s["radius"] / norm.masked_fill(norm == 0, 1.0)
        return u * scale, D / scale, new

    def rate(self, lr: Scalar, t: Scalar, s: State) -> Scalar:
        return self.rule.rate(lr, t, s)

    def move(self, w: Tensor, u: Tensor, rate: Scalar) -> Tensor:
        return self.rule.move(w, u, rate)

    def finish(self, lr: Scalar, t: Scalar, w: Tensor, s: State) -> State:
        return self.rule.finish(lr, t, w, s)


def _norm(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, keepdim=True)
