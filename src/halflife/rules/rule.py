"""What every rule is: a gradient's way to a direction u and the metric D it was measured in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..arithmetic import Scalar, axpy

State = Mapping[str, Tensor]
Start = Mapping[str, Tensor | float]


class Rule(ABC):
    """One paper: ``u, D, s = rule(t, w, g, s)``, a pure function of its arguments.

    A rule is a frozen dataclass of its hyper-parameters (floats or 0-d tensors) and knows neither the learning rate,
    nor weight decay, nor mutation. ``w``, ``g`` and the per-coordinate states have the parameter's shape; the scalars
    named in ``scalars`` and the step count ``t`` (from 1) are floats or 0-d tensors. ``D`` is the diagonal metric (the
    denominator), 1.0 where the rule has none.

    What torch's optimizers need beyond that: ``tick`` moves a scalar on with the clock before the rule reads it
    (NAdam), ``rate`` replaces the learning rate (ASGD, Adagrad, Rprop), ``move`` takes the step (ASGD shrinks w on the
    way) and ``finish`` sees the new weights (ASGD's average).
    """

    counts_steps: ClassVar[bool] = True
    scalars: ClassVar[tuple[str, ...]] = ()
    sparse: ClassVar[Literal["refused", "whole", "touched"]] = "refused"

    def start(self, w: Tensor, lr: Scalar) -> Start:
        """The state before the first step: zeros and the like, and a number for each of ``scalars``."""
        return {}

    def tick(self, t: Scalar, s: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        return s

    @abstractmethod
    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor | float, State]: ...

    def rate(self, lr: Scalar, t: Scalar, s: State) -> Scalar:
        return lr

    def move(self, w: Tensor, u: Tensor, rate: Scalar) -> Tensor:
        return axpy(w, u, -rate)

    def finish(self, lr: Scalar, t: Scalar, w: Tensor, s: State) -> State:
        return {}


def zeros(w: Tensor, *names: str) -> dict[str, Tensor | float]:
    """A state of zeros, each shaped and laid out like ``w``."""
    return {name: torch.zeros_like(w) for name in names}


def where(condition: bool | Tensor, then: Callable[[], Tensor], otherwise: Callable[[], Tensor | float]):
    """``then()`` where the condition on the clock holds, else ``otherwise()``; only one is computed if it is a bool."""
    if isinstance(condition, bool):
        return then() if condition else otherwise()
    return then().where(condition, otherwise())  # type: ignore[arg-type]
