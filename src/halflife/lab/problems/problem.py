"""What every problem is: tensors to learn from, to choose by and to score on, a model, a loss and an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..units import ERROR, MISCLASSIFIED

Measure = Callable[[Tensor, Tensor], Tensor]
"""From the model's outputs and the targets."""

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""A batch of inputs, changed at random: the same generator state, the same change."""
"""A batch of inputs, changed at random: the same generator state, the same change."""


@dataclass(frozen=True)
class Split:
    """Samples and what is to be said of each; NumPy's arrays and lists become tensors.

    Args:
        inputs: of shape ``[samples, …]``.
        targets: ``[samples]`` or ``[samples, …]``.

    Example:
        >>> from halflife.lab import Split
        >>> split = Split([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1])
        >>> len(split), split.inputs.shape
        (3, torch.Size([3, 2]))
    """

    inputs: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        for name in ("inputs", "targets"):
            given = getattr(self, name)
            if not isinstance(given, Tensor):
                object.__setattr__(self, name, _tensor(name, given))

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: str) -> Split:
        """The same samples on another device, or themselves.

        Args:
            device: torch's name of it.

        Returns:
            A split.
        """
        return Split(self.inputs.to(device), self.targets.to(device))


def _tensor(name: str, given: object) -> Tensor:
    """A NumPy array or a list as a tensor; NumPy's float64 as torch's own precision, which models have."""
    try:
        x = torch.as_tensor(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"a split's {name} must be a tensor or an array of samples, but are a {type(given).__name__} ({error})."
        ) from None
    return x.to(torch.get_default_dtype()) if x.dtype is torch.float64 else x


def wrong(outputs: Tensor, targets: Tensor) -> Tensor:
    """The error of a classification: 1 for each sample whose largest output is not at its target, else 0.

    Args:
        outputs: ``[samples, classes]``.
        targets: ``[samples]``, the classes' numbers.

    Returns:
        ``[samples]``.

    Example:
        >>> from halflife.lab.problems import wrong
        >>> wrong(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
        tensor([0., 1.])
    """
    return (outputs.argmax(-1) != targets).to(outputs.dtype)


@dataclass(frozen=True)
class Problem:
    """Learn on ``train``, choose (lr, λ) on ``val``, report on ``test`` once.

    Args:
        name, description: for ledgers and people.
        train, val, test: the data.
        model: is called once for each seed, under that seed.
        loss: the mean over a batch, which is learned from.
        error: that of each sample, ``[samples]``, which is reported and at least 0: what a study calls best has the
            least mean of it.
        chance: the error of a guess, if there is one: a replica that diverged counts as that, or as the worst that did
            not, if that is worse.
        augment: changes the batches that are learned from.
        unit: what the error is measured in, for people: unless given, "misclassified", which is read in percent, if
            ``error`` is halflife's ``wrong``, else "error".

    Example:
        >>> from halflife.lab import Problem, Split
        >>> draw = torch.Generator().manual_seed(0)
        >>> def points(n):
        ...     x = torch.randn(n, 2, generator=draw)
        ...     return Split(x, (x.sum(1) > 0).long())
        >>> sums = Problem(
        ...     "sums", "is x + y positive?", points(9), points(9), points(9), lambda: torch.nn.Linear(2, 2), chance=0.5
        ... )
        >>> sums.unit
        'misclassified'
    """

    name: str
    description: str
    train: Split
    val: Split
    test: Split
    model: Callable[[], nn.Module]
    loss: Measure = cross_entropy
    error: Measure = wrong
    chance: float | None = None
    augment: Augment | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        if not self.unit:
            object.__setattr__(self, "unit", MISCLASSIFIED if self.error is wrong else ERROR)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the data, so that results on other data are never taken for these."""
        digest = sha256()
        for split in (self.train, self.val, self.test):
            for x in (split.inputs, split.targets):
                digest.update(x.contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]
