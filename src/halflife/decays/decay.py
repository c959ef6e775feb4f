"""A decay treatment: a placement and a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .placement import PLACEMENTS, Placement
from .step import STEPS


@dataclass(frozen=True)
class Decay:
    """How λ enters the update: ``Decay(placement, step)``, any cell of the table.

    ``placement``: "before" (coupled), "explicit", "cautious" or "implicit" (proximal).
    ``step``, the number τ/λ: "lr", "schedule" (η = lr/α), "lr*schedule", "lr/metric" (a threshold for each
    coordinate) or "one" (λ alone); "none" goes with "before" alone, which has no step of its own.

    Raises ``ValueError`` for any other word or pair.
    """

    placement: str
    step: str = "none"

    def __post_init__(self) -> None:
        for word, table, what in ((self.placement, PLACEMENTS, "placement"), (self.step, STEPS, "step")):
            if word not in table:
                raise ValueError(f"{what}={word!r} is not known to Decay; choose one of {', '.join(map(repr, table))}.")
        if (self.placement == "before") != (self.step == "none"):
            given = f"Decay({self.placement!r}, {self.step!r})"
            raise ValueError(
                f"{given} cannot be: a decay before the rule is scaled by the rule itself and takes step='none', "
                f"and every other placement needs a step: 'lr', 'schedule', 'lr*schedule', 'lr/metric' or 'one'."
            )

    @property
    def place(self) -> Placement:
        return PLACEMENTS[self.placement]

    def scale(self, lr: Any, eta: Any, D: Any) -> Any:
        """τ/λ, from the learning rate in force, the schedule's multiplier and the rule's metric."""
        return STEPS[self.step](lr, eta, D)

    @property
    def needs_schedule(self) -> bool:
        """Whether τ depends on η, and so on the group's base learning rate."""
        return "schedule" in self.step

    @property
    def needs_metric(self) -> bool:
        """Whether τ is a threshold for each coordinate."""
        return self.step == "lr/metric"

    def __str__(self) -> str:
        return self.placement if self.step == "none" else f"{self.placement} × {self.step}"
