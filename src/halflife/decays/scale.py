"""What multiplies λ: τ = scale(lr, η, D)·λ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SCALES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "none": lambda lr, η, D: 1.0,
    "lr": lambda lr, η, D: lr,
    "schedule": lambda lr, η, D: η,
    "lr*schedule": lambda lr, η, D: lr * η,
    "lr*lr": lambda lr, η, D: lr * lr,
    "lr/metric": lambda lr, η, D: lr / D,
    "one": lambda lr, η, D: 1.0,
}
"""lr is the learning rate in force, α·η; η the schedule's multiplier, lr/α; D the rule's diagonal metric.

"one" is λ itself in every step, whatever the learning rate does: TensorFlow Addons, and ``fixed_decay`` elsewhere.
"lr*lr" is PaLM's lr², which Emerging-Optimizers calls "palm"."""
