"""What one framework means by lr, weight decay and ε: words that say where each stands, and the optimizer they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Literal

from ..optim import Optimizer
from .build import build

Rule = Literal["adam", "nadam-timm", "nadam-optax", "sgd", "lion"]
Factor = Literal["lr", "schedule", "one", "lr*schedule"]
Order = Literal["before", "after", "proximal", "coupled"]
Epsilon = Literal["standard", "uncorrected", "clamped", "floored"]
Bias = Literal["corrected", "raw"]
Place = Literal["outside", "inside"]
Amount = Literal["plain", "normalized"]


@dataclass(frozen=True)
class Settings:
    """The numbers that a recipe names. ``lr`` is the base learning rate α, the one at which the schedule's η is 1."""

    lr: float
    weight_decay: float
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    momentum: float = 0.0

    def __post_init__(self) -> None:
        """Raise ``ValueError`` with a sentence for what no conversion can start from."""
        if not (isfinite(self.lr) and self.lr > 0):
            raise ValueError(
                f"lr must be above 0, but {self.lr} was given; give the base learning rate, the one at the schedule's "
                "peak: what λ removes in a step is measured by it."
            )
        for name in ("weight_decay", "eps"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be a number of at least 0, but {value} was given.")
        for name, β in (("betas[0]", self.betas[0]), ("betas[1]", self.betas[1]), ("momentum", self.momentum)):
            if not 0 <= β < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, but {β} was given.")


@dataclass(frozen=True)
class Convention:
    """One framework's update, said in words.

    ``factor`` is what multiplies λ: "lr" in force, the "schedule" η = lr/α, "one", or "lr*schedule" (lr²/max lr).
    ``order``: the decay "before" the step (or from the same old weights), "after" it, "proximal" or "coupled" (in the
    gradient). ``eps``: "standard" √v̂ + ε, "uncorrected" √v + ε beside the raw second moment, "clamped" max(√v̂, ε),
    "floored" √(v + 1e-15) + ε. ``bias``: whether the moments are "corrected" or "raw". ``lr_place``: outside or inside
    of SGD's momentum. ``amount``: λ itself or Loshchilov & Hutter's "normalized" λ√steps. ``beyond`` says why no other
    convention's numbers can stand for this one, if none can. ``spelling``: the framework's own names of the arguments.
    """

    name: str
    title: str
    update: str
    source: str
    defaults: Settings
    rule: Rule = "adam"
    factor: Factor = "lr"
    order: Order = "before"
    eps: Epsilon = "standard"
    bias: Bias = "corrected"
    lr_place: Place = "outside"
    amount: Amount = "plain"
    aliases: tuple[str, ...] = ()
    spelling: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    notes: tuple[str, ...] = ()
    beyond: str = ""

    def settings(self, **given: Any) -> Settings:
        """This framework's defaults with the ``given`` numbers, None for a default. Raises ``ValueError``."""
        return replace(self.defaults, **{name: value for name, value in given.items() if value is not None})

    def optimizer(self, params: Any, **settings: Any) -> Optimizer:
        """The halflife optimizer that makes this framework's steps exactly, with its defaults.

        Takes lr, weight_decay, betas, eps and momentum, or the framework's own names for them; ``lr`` and
        ``weight_decay`` may be callables of the step, counted from 0, as in TensorFlow. ``steps``, for a normalized λ,
        is the number of steps between two restarts. Anything else goes to the optimizer: rounding, max_grad_norm …
        Each group keeps a base learning rate of its own, also where the framework has one for all of them.
        Raises ``ValueError`` for what cannot be built, and says why.
        """
        return build(self, params, settings)

    def __str__(self) -> str:
        return self.name
