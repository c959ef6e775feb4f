"""Weight decay said as a time: given as ``weight_decay=`` to any optimizer or group, it becomes that one's own λ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import expm1, isfinite, log, sqrt

from ..decays import Decay

MEASURES = "steps=, or epochs= and steps_per_epoch=, or tokens= and tokens_per_step="


class DecayShare(ABC):
    """A share c of the weights that a decay removes in each step at the base learning rate."""

    @property
    @abstractmethod
    def fraction(self) -> float:
        """c: what is removed of a weight in one step where η = 1."""

    def resolve(self, decay: Decay, lr: float) -> float:
        """λ for a decay and a base learning rate: x = c where it is explicit, c/(1−c) where it is proximal, and
        λ = x/lr where the decay multiplies λ by lr.

        Raises ``ValueError`` for decays whose share of the weights depends on the gradients.
        """
        if decay.placement == "before":
            raise ValueError(self._inexpressible(decay, "adds λw to the gradient: the rule decides what it removes"))
        if decay.needs_metric:
            raise ValueError(self._inexpressible(decay, "removes another share of each weight, by the rule's metric"))
        if decay.placement == "cautious":
            raise ValueError(self._inexpressible(decay, "spares the weights that the step moves away from zero"))
        c = self.fraction
        x = c / (1 - c) if decay.placement == "implicit" else c
        if decay.multiplier not in ("lr", "lr*schedule", "lr*lr"):
            return x
        if not lr > 0:
            raise ValueError(
                f"{self!r} is x/lr under decay '{decay}', and this group was added with lr={lr}; give it its peak "
                "learning rate and let the scheduler start from 0."
            )
        return x / (lr * lr if decay.multiplier == "lr*lr" else lr)

    def _inexpressible(self, decay: Decay, why: str) -> str:
        return (
            f"{self!r} cannot be said as a λ of decay '{decay}', which {why}; choose decay='decoupled', 'independent' "
            "or 'proximal', or give weight_decay as a number."
        )


@dataclass(frozen=True)
class _Duration(DecayShare):
    """A time, counted in steps, epochs or tokens."""

    steps: float | None = None
    epochs: float | None = None
    steps_per_epoch: float | None = None
    tokens: float | None = None
    tokens_per_step: float | None = None

    def __post_init__(self) -> None:
        """Raise ``ValueError`` unless the time is said once, and is above 0."""
        name = type(self).__name__
        said = {key: value for key, value in vars(self).items() if value is not None}
        if {*said} not in ({"steps"}, {"epochs", "steps_per_epoch"}, {"tokens", "tokens_per_step"}):
            raise ValueError(f"{name} takes {MEASURES}; given: {', '.join(said) or 'nothing'}.")
        for key, value in said.items():
            if not (isfinite(value) and value > 0):
                raise ValueError(f"{name}'s {key} must be above 0, but {value} was given; no decay is weight_decay=0.")

    @property
    def in_steps(self) -> float:
        """The time in steps."""
        if self.steps is not None:
            return self.steps
        if self.epochs is not None and self.steps_per_epoch is not None:
            return self.epochs * self.steps_per_epoch
        return (self.tokens or 0.0) / (self.tokens_per_step or 1.0)

    def __repr__(self) -> str:
        said = ", ".join(f"{key}={value:g}" for key, value in vars(self).items() if value is not None)
        return f"{type(self).__name__}({said})"


class HalfLife(_Duration):
    """The time h after which half of a weight is left, if no gradient renews it: ``c = 1 − 2^(−1/h)``.

    Counted at the base learning rate: where the schedule is lower, the decay is slower. λ is 1 − 2^(−1/h) where the
    decay is explicit and takes the schedule's step, that over lr where it takes lr's, 2^(1/h) − 1 where it is proximal.

    Args:
        steps: h in steps; or else
        epochs, steps_per_epoch: in epochs; or else
        tokens, tokens_per_step: in tokens.

    Raises:
        ValueError: unless the time is said once, and is above 0.

    Example:
        >>> h = halflife.HalfLife(epochs=3, steps_per_epoch=391)
        >>> round(h.fraction, 6)  # of a weight, removed in a step
        0.000591
        >>> optimizer = halflife.AdamW([torch.nn.Parameter(torch.ones(1))], lr=1e-3, weight_decay=h)
        >>> round(optimizer.param_groups[0]["weight_decay"], 3)
        0.591
    """

    @property
    def fraction(self) -> float:
        """c: what is removed of a weight in one step where η = 1."""
        return -expm1(-log(2) / self.in_steps)


class Timescale(_Duration):
    """The time τ = 1/c: how many steps the weights remember, as an average of their updates: ``c = 1/τ``.

    Args:
        steps, epochs, steps_per_epoch, tokens, tokens_per_step: as in :class:`HalfLife`, τ for h.

    Raises:
        ValueError: unless the time is said once, and is longer than one step.

    Source: Wang & Aitchison 2024, https://arxiv.org/abs/2405.13698: τ = 1/(lr·λ) in PyTorch's form.

    Example:
        >>> τ = halflife.Timescale(epochs=2, steps_per_epoch=500)
        >>> optimizer = halflife.AdamW([torch.nn.Parameter(torch.ones(1))], lr=1e-3, weight_decay=τ)
        >>> τ.fraction, round(optimizer.param_groups[0]["weight_decay"], 4)
        (0.001, 1.0)
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.in_steps > 1:
            raise ValueError(f"{self!r} must be longer than one step: in each, one part in τ of a weight is removed.")

    @property
    def fraction(self) -> float:
        """c: what is removed of a weight in one step where η = 1."""
        return 1 / self.in_steps


@dataclass(frozen=True)
class Normalized(DecayShare):
    """Loshchilov & Hutter's normalized decay: ``c = λ_norm·√(b/(B·T))``, for b a batch, B samples and T epochs.

    With warm restarts T is the current period's epochs: use ``halflife.schedules.NormalizedWD`` there.
    Source: https://arxiv.org/abs/1711.05101, appendix B.1.

    Args:
        weight_decay: λ_norm; 0.025 to 0.05 are usual.
        batch_size, dataset_size: b and B, in samples.
        epochs: T.

    Raises:
        ValueError: for sizes below 1, or c ≥ 1.

    Example:
        >>> decay = halflife.Normalized(0.05, batch_size=128, dataset_size=50_000, epochs=100)
        >>> print(f"{decay.fraction:.3g} of a weight in a step")
        0.000253 of a weight in a step
    """

    weight_decay: float
    batch_size: int
    dataset_size: int
    epochs: float

    def __post_init__(self) -> None:
        for name in ("batch_size", "dataset_size", "epochs"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"Normalized's {name} must be at least 1, but {getattr(self, name)} was given.")
        if not 0 <= self.fraction < 1:
            raise ValueError(
                f"Normalized's weight_decay must be at least 0, and removes {self.fraction:g} of a weight in a step, "
                f"which must be below 1; {self.weight_decay} was given, and 0.025 to 0.05 are usual."
            )

    @property
    def fraction(self) -> float:
        """c: what is removed of a weight in one step where η = 1."""
        return self.weight_decay * sqrt(self.batch_size / (self.dataset_size * self.epochs))
