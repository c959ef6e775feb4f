"""A decay treatment: a placement and what multiplies λ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from warnings import warn

from .placement import PLACEMENTS, Placement
from .scale import SCALES


@dataclass(frozen=True)
class Decay:
    """How λ enters the update: ``Decay(placement, multiplier)``, any cell of the table.

    Args:
        placement: "before" (coupled), "explicit", "cautious" or "implicit" (proximal).
        multiplier: the number τ/λ: "lr", "schedule" (η = lr/α), "lr*schedule", "lr*lr", "lr/metric" (a threshold for
            each coordinate) or "one" (λ alone); "none" goes with "before" alone, which has no multiplier of its own.

    Raises:
        ValueError: for any other word or pair.

    Example:
        λ alone, whatever the learning rate:
        >>> w = torch.nn.Parameter(torch.ones(1))
        >>> decay = halflife.Decay("explicit", "one")
        >>> optimizer = halflife.SGD([w], lr=1e-3, weight_decay=0.001, decay=decay)
        >>> w.grad = torch.zeros(1)
        >>> optimizer.step()
        >>> w.data
        tensor([0.9990])
    """

    placement: str
    multiplier: str = "none"

    def __post_init__(self) -> None:
        for word, table, what in (
            (self.placement, PLACEMENTS, "placement"),
            (self.multiplier, SCALES, "multiplier"),
        ):
            if word not in table:
                raise ValueError(f"{what}={word!r} is not known to Decay; choose one of {', '.join(map(repr, table))}.")
        if (self.placement == "before") != (self.multiplier == "none"):
            given = f"Decay({self.placement!r}, {self.multiplier!r})"
            raise ValueError(
                f"{given} cannot be: a decay before the rule is scaled by the rule itself and takes multiplier='none', "
                f"and every other placement needs one: 'lr', 'schedule', 'lr*schedule', 'lr*lr', 'lr/metric' or 'one'."
            )

    @property
    def step(self) -> str:
        """``multiplier``, under its former name."""
        warn("Decay.step is called Decay.multiplier now.", DeprecationWarning, stacklevel=2)
        return self.multiplier

    @property
    def place(self) -> Placement:
        """Where the decay stands, as what computes it."""
        return PLACEMENTS[self.placement]

    def scale(self, lr: Any, eta: Any, D: Any) -> Any:
        """τ/λ.

        Args:
            lr: the learning rate in force.
            eta: η, the schedule's multiplier, lr/α.
            D: the rule's metric.

        Returns:
            The multiplier of λ, shaped as ``D`` for "lr/metric".
        """
        return SCALES[self.multiplier](lr, eta, D)

    @property
    def needs_schedule(self) -> bool:
        """Whether τ depends on η, and so on the group's base learning rate."""
        return "schedule" in self.multiplier

    @property
    def needs_metric(self) -> bool:
        """Whether τ is a threshold for each coordinate."""
        return self.multiplier == "lr/metric"

    def __str__(self) -> str:
        return self.placement if self.multiplier == "none" else f"{self.placement} × {self.multiplier}"
