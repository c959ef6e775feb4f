"""What every problem is: tensors to learn from, to choose by and to score on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from torch import Tensor


@dataclass(frozen=True)
class Split:
    """Inputs of shape ``[samples, …]`` and their labels, ``int64`` of shape ``[samples]``."""

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Problem:
    """A classification task: learn on ``train``, choose (lr, λ) on ``val``, report on ``test`` once."""

    name: str
    description: str
    train: Split
    val: Split
    test: Split
    n_classes: int

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the data, so that results on other data are never taken for these."""
        digest = sha256()
        for split in (self.train, self.val, self.test):
            digest.update(split.inputs.numpy().tobytes() + split.labels.numpy().tobytes())
        return digest.hexdigest()[:16]

    @property
    def chance(self) -> float:
        """The error of a guess: what a replica that diverged is counted as."""
        return 1 - 1 / self.n_classes
