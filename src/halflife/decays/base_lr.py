"""The base learning rate α of a parameter group, by which its schedule η = lr/α is measured."""

from __future__ import annotations

import gc
from typing import Any

from torch.optim.lr_scheduler import CyclicLR

BASE_LR = "halflife_base_lr"
"""The group's own α, as it was when the group was added. A private key: torch's schedulers write ``initial_lr``."""

SAID = ("base_lr", "max_lr")
"""Where a parameter group may say its α: what a user wrote there, or else the peak that OneCycleLR wrote down."""


def base_lr_of(group: dict[str, Any]) -> Any:
    """α as it was noted; in a group that had no use for one, what its schedule began with, or its learning rate."""
    return group.get(BASE_LR, group.get("initial_lr", group["lr"]))


def cyclic_peaks(groups: list[dict[str, Any]]) -> list[float]:
    """The peaks of a CyclicLR that drives these groups, which it writes into none: looked for among all live objects.

    None, an empty list, where there is no such scheduler.
    """
    for x in gc.get_objects():
        if issubclass(type(x), CyclicLR) and x.optimizer.param_groups is groups:
            return list(map(float, x.max_lrs))
    return []
