"""Learning rates and weight decays given as callables of the step, as TensorFlow's optimizers take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from ..optim import Optimizer

COUNT = "halflife_convention_step"
"""How many steps the callables were followed; in every group, so that checkpoints keep it."""


class CallableSchedule:
    """Before each step, writes what the callables give for it, counted from 0, into the parameter groups.

    There is one count, which a group that comes late goes on with. What a group has of its own stays its own: a decay
    of 0 stays 0, and half the learning rate half of it; a number of its own beside a callable that begins at 0 stays.
    """

    def __init__(self, callables: Mapping[str, Callable[[int], float]]) -> None:
        self.callables = dict(callables)

    def at(self, count: int) -> dict[str, float]:
        return {name: float(f(count)) for name, f in self.callables.items()}

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        if self.callables:
            optimizer.register_step_pre_hook(self)

    def __call__(self, optimizer: torch.optim.Optimizer, *arguments: Any) -> None:
        count = max((group.get(COUNT, 0) for group in optimizer.param_groups), default=0)
        now, first = self.at(count), self.at(0)
        for group in optimizer.param_groups:
            for name, value in now.items():
                key = f"halflife_{name}_share"
                if key not in group:
                    group[key] = _share(float(group[name]), first[name])
                if group[key] is not None:
                    _write(group, name, group[key] * value)
            group[COUNT] = count + 1


def _share(own: float, first: float) -> float | None:
    """What a group has of its own as a multiple of what the callable begins with; None for one that does not follow."""
    if own == first:
        return 1.0
    return own / first if first else None


def _write(group: dict[str, Any], name: str, value: float) -> None:
    if isinstance(group[name], Tensor):
        group[name].fill_(value)
    else:
        group[name] = value


@cache
def following(kind: type[Optimizer]) -> type[Optimizer]:
    """The same class, whose copies and pickles follow their callables too; a pickle wants callables that can be."""

    class Following(kind):  # type: ignore[misc, valid-type]  # pyright: ignore[reportUntypedBaseClass]
        callable_schedule: CallableSchedule

        def __getstate__(self) -> dict[str, Any]:
            return {**super().__getstate__(), "callable_schedule": self.callable_schedule}

        def __setstate__(self, state: dict[str, Any]) -> None:
            known, schedule = "callable_schedule" in vars(self), state.pop("callable_schedule", None)
            super().__setstate__(state)
            if not known and schedule is not None:
                self.callable_schedule = schedule
                schedule.attach(self)

        def __reduce__(self) -> Any:
            return _unmade, (kind,), self.__getstate__()

    Following.__name__, Following.__doc__ = kind.__name__, kind.__doc__
    return Following


def _unmade(kind: type[Optimizer]) -> Any:
    return object.__new__(following(kind))
