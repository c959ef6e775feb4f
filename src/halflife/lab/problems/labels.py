"""Labels that say what is not so: where a network can fit what it should not, weight decay matters."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SEED = 2019


def redrawn(labels: NDArray[np.int64], share: float, classes: int) -> NDArray[np.int64]:
    """A copy in which this share of the labels is uniform over the classes, the true one included; always the same."""
    generator = np.random.default_rng(SEED)
    chosen = generator.choice(len(labels), size=round(share * len(labels)), replace=False)
    noisy: NDArray[np.int64] = labels.copy()
    noisy[chosen] = generator.integers(0, classes, size=len(chosen))
    return noisy
