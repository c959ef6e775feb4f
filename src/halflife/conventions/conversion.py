"""What ``convert`` returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import torch

from .convention import Convention, Settings
from .rule_of_thumb import RuleOfThumb

Exactness = Literal["exact", "approximate", "impossible"]


@dataclass(frozen=True)
class Numbers:
    """What a step is made with.

    Attributes:
        lr, weight_decay, eps: in the target's convention.

    Example:
        >>> from halflife.conventions import convert
        >>> convert(0.1, "torch", "paper", lr=1e-3).at(0)
        Numbers(lr=0.001, weight_decay=0.0001, eps=1e-08)
    """

    lr: float
    weight_decay: float
    eps: float


NUMBERS = ("lr", "weight_decay", "eps")


def _share(optimizer: torch.optim.Optimizer, group: dict[str, Any], name: str) -> float:
    """The group's number as a multiple of the optimizer's default; where that is 0, of the first other one there is."""
    known = [optimizer.defaults.get(name, 0.0), *(other.get(name, 0.0) for other in optimizer.param_groups)]
    whole = next((float(x) for x in known if isinstance(x, int | float | torch.Tensor) and float(x) != 0), 0.0)
    return float(group[name]) / whole if whole else 1.0


def _write(group: dict[str, Any], name: str, value: float) -> None:
    if isinstance(group[name], torch.Tensor):
        group[name].fill_(value)
    else:
        group[name] = value


@dataclass(frozen=True)
class Conversion:
    """The target's hyper-parameters, and how well they do what the source's did.

    Attributes:
        source, target: the two conventions.
        given: the source's numbers.
        settings: the target's; None where it is impossible.
        verdict: "exact", the same weights but for rounding; "approximate", with the same gradients no weight differs by
            more than ``bound`` times its first value plus the length of its path (the sum of |its steps|, of the longer
            of the two paths); "impossible".
        why: why so, in one sentence.
        decay_bound: the part of ``bound`` in what the decays leave of a weight over any stretch of the run.
        step_bound: the part in one step: 2 where an element of a matrix may be moved the other way.
        order: how the difference grows.
        each_step: what ``at`` calls.
        rule_of_thumb: where it is impossible, a start to tune from, if there is one; it is no conversion.
        flags: the target's own, of Muon, that are to be given beside the numbers.

    Example:
        >>> from halflife.conventions import convert
        >>> found = convert(0.1, "torch", "paper", lr=1e-3)
        >>> found.verdict, round(found.weight_decay, 6)
        ('exact', 0.0001)
        >>> convert(0.1, "torch", "keras", lr=1e-3).verdict  # its ε is another
        'approximate'
    """

    source: Convention
    target: Convention
    given: Settings
    settings: Settings | None
    verdict: Exactness
    why: str
    decay_bound: float = 0.0
    step_bound: float = 0.0
    order: str = ""
    each_step: Callable[[int], Numbers] | None = None
    rule_of_thumb: RuleOfThumb | None = None
    flags: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def _settings(self) -> Settings:
        if self.settings is None:
            raise ValueError(self.why)
        return self.settings

    @property
    def bound(self) -> float:
        """1 − (1 − decay_bound)(1 − step_bound)."""
        return 1 - (1 - self.decay_bound) * (1 - self.step_bound)

    @property
    def lr(self) -> float:
        """The target's; ``ValueError`` where it is impossible, as of the four below."""
        return self._settings().lr

    @property
    def weight_decay(self) -> float:
        """The target's λ."""
        return self._settings().weight_decay

    @property
    def betas(self) -> tuple[float, float]:
        """The target's."""
        return self._settings().betas

    @property
    def eps(self) -> float:
        """The target's."""
        return self._settings().eps

    @property
    def momentum(self) -> float:
        """The target's."""
        return self._settings().momentum

    @property
    def changes(self) -> dict[str, Any]:
        """Those of the target's numbers that are not the source's."""
        new = self._settings()
        pairs = {f.name: (getattr(self.given, f.name), getattr(new, f.name)) for f in fields(Settings)}
        return {name: value for name, (old, value) in pairs.items() if value != old}

    @property
    def exact_at_each_step(self) -> bool:
        """Whether ``at(k)`` makes it exact."""
        return self.verdict == "exact" or self.each_step is not None

    def at(self, step: int) -> Numbers:
        """The numbers that make it exact where the target's are set anew at each step.

        Args:
            step: counted from 0.

        Returns:
            The numbers for that step.

        Raises:
            ValueError: where there are none.
        """
        if self.each_step is not None:
            return self.each_step(step)
        if self.verdict == "exact":
            settings = self._settings()
            return Numbers(settings.lr, settings.weight_decay, settings.eps)
        raise ValueError(f"no numbers of {self.target} do at each step what {self.source} does: {self.why}")

    def apply(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Write ``at(step)`` into every parameter group, before that step; into tensors in place.

        What a group had of its own when it was met first, beside the optimizer's default, stays its own share: half the
        learning rate stays half, and a group that does not decay does not.

        Args:
            optimizer: the one in the target's framework.
            step: counted from 0.
        """
        now = self.at(step)
        for group in optimizer.param_groups:
            for name in (name for name in NUMBERS if name in group):
                key = f"halflife_{name}_share"  # in the group, so that checkpoints and copies keep it
                if key not in group:
                    group[key] = _share(optimizer, group, name)
                _write(group, name, group[key] * getattr(now, name))

    def __str__(self) -> str:
        if self.settings is None:
            return self.why if self.rule_of_thumb is None else f"{self.why} {self.rule_of_thumb}"
        names = ["weight_decay", *(name for name in self.changes if name != "weight_decay")]
        numbers = ", ".join(f"{name}={getattr(self.settings, name):.6g}" for name in names)
        return f"{self.target}: {numbers}. {self.why}"
