"""Lion: evolved sign momentum."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .rule import Rule, Scalar, State, States, StateSpec


@dataclass(frozen=True)
class Lion(Rule):
    """Lion: the sign of an average that leans on the newest gradient more than the memory does.

    ::

        u = sign(β₁m + (1−β₁)g)
        m ← β₂m + (1−β₂)g

    Shapes: m and u as the parameter. State: ``exp_avg`` (m). The metric is 1.
    Source: Chen et al. 2023, https://arxiv.org/abs/2302.06675. Deviation: none.
    A NaN gradient stays in m, whose sign is then 0: that coordinate no longer moves.

    Args:
        beta1: β₁, the share of the memory in the direction.
        beta2: β₂, the share of the memory that stays; both at least 0 and below 1.

    Example:
        >>> rule, w = halflife.rules.Lion(), torch.zeros(2)
        >>> u, D, _ = rule(1, w, torch.tensor([0.5, -100.0]), rule.start(w, lr=0.1))
        >>> u, D
        (tensor([ 1., -1.]), 1.0)
    """

    beta1: Scalar = 0.9
    beta2: Scalar = 0.99

    acts_on = "coordinates"
    functor = "Lion"
    metric = "identity"
    counts_steps = False

    @property
    def states(self) -> States:
        return (StateSpec("exp_avg"),)

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, float, State]:
        β1, β2, m = self.beta1, self.beta2, s["exp_avg"]
        u = (β1 * m + (1 - β1) * g).sign()
        m = β2 * m + (1 - β2) * g
        return u, 1.0, {"exp_avg": m}
