"""λ over time: schedules of the weight decay, stepped beside torch's schedulers of the learning rate."""

from __future__ import annotations

import warnings
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from math import cos, pi, sqrt
from typing import Any

import torch
from torch import Tensor

from ..caller import level_of_caller


class WeightDecaySchedule(ABC):
    """λ as a function of a count that ``step()`` moves on, as with torch's learning-rate schedulers.

    Give it as ``weight_decay=`` of an optimizer or of one parameter group, or ``attach`` it to an optimizer that is
    there already (any torch optimizer: it only writes ``group["weight_decay"]``). One schedule may serve many groups.
    ``state_dict()`` holds the count; the schedule's own settings are code, as a lambda is. A copy or pickle of
    schedule and optimizer together has them attached to each other as before.

    ``length`` is the count after which λ stays as it is, if there is one: a schedule that has not been stepped once by
    the time that an optimizer of halflife has made as many steps warns, as does one whose λ somebody else overwrites.
    """

    length: int | None = None

    def __init__(self) -> None:
        self.count = 0
        self._groups: list[tuple[weakref.ref[torch.optim.Optimizer], int]] = []
        self._written: list[float | None] = []
        self._before: list[float | None] = []
        self._warned = False

    @abstractmethod
    def at(self, count: int) -> float:
        """λ after ``count`` calls of ``step()``."""

    @property
    def value(self) -> float:
        """λ now. Raises ``ValueError`` if the schedule gives a negative one."""
        λ = self.at(self.count)
        if not λ >= 0:
            raise ValueError(
                f"{type(self).__name__} gives a weight decay of {λ} at step {self.count}; it must be at least 0."
            )
        return λ

    def attach(self, optimizer: torch.optim.Optimizer, group: int | None = None) -> None:
        """Write λ into that parameter group of the optimizer, or into all of them, now and at every ``step()``."""
        indices = range(len(optimizer.param_groups)) if group is None else [group]
        self._groups += [(weakref.ref(optimizer), index) for index in indices]
        self._written += [None for _ in indices]
        self._before += [None for _ in indices]
        self._write()
        watch = getattr(optimizer, "watch", None)  # an optimizer of halflife's tells if nobody calls step()
        if watch is not None:
            watch(self)

    def step(self) -> None:
        self._warn_if_overwritten()
        self.count += 1
        self._write()

    def _live(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Each group that is there still, with its place here and in its optimizer."""
        for k, (reference, index) in enumerate(self._groups):
            optimizer = reference()
            if optimizer is not None and index < len(optimizer.param_groups):
                yield k, index, optimizer.param_groups[index]

    def _write(self) -> None:
        for k, _, group in self._live():
            λ = group["weight_decay"]
            if isinstance(λ, Tensor):
                λ.fill_(self.value)
            else:
                group["weight_decay"] = self.value
            if self._written[k] != self.value:
                self._before[k], self._written[k] = self._written[k], self.value

    def restore(self) -> None:
        """Write λ again where that of before is found.

        ``ZeroRedundancyOptimizer`` has groups of its own, and puts what they say into the optimizer inside, where this
        schedule writes, before each step.
        """
        for k, _, group in self._live():
            λ, before = group["weight_decay"], self._before[k]
            if before is not None and not isinstance(λ, Tensor) and λ == before:  # a tensor is written to in place
                group["weight_decay"] = self._written[k]

    def _warn_if_overwritten(self) -> None:
        for k, index, group in self._live():
            λ, written = group["weight_decay"], self._written[k]
            if written is not None and not isinstance(λ, Tensor) and λ != written:
                self._warn(
                    f"{type(self).__name__} wrote weight_decay={written:g} into parameter group {index}, where "
                    f"{λ:g} is found: somebody else writes it too, and is overwritten at each step() of the schedule. "
                    "(After load_state_dict of the optimizer, load the schedule's too.)"
                )

    def warn_if_still(self, steps: int) -> bool:
        """A word if the schedule has never moved although that many steps were made; whether there is more to watch."""
        if self.count or self.length is None or self._warned:
            return False
        if steps < self.length:
            return True
        self._warn(
            f"{type(self).__name__} has not moved in {steps} steps of its optimizer, so that weight_decay stays "
            f"{self.value:g}: call .step() of the schedule after optimizer.step(), as for a scheduler of the learning "
            "rate. (If it is to be stepped once an epoch and the first is not over, all is well.)"
        )
        return False

    def _warn(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(text, UserWarning, stacklevel=level_of_caller())

    def state_dict(self) -> dict[str, int]:
        return {"count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to the saved count. Raises ``KeyError`` if there is none."""
        if "count" not in state_dict:
            raise KeyError("the weight-decay schedule's state_dict has no 'count'; was it saved by another scheduler?")
        self.count = int(state_dict["count"])
        self._write()

    def __getstate__(self) -> dict[str, Any]:
        """With the optimizers: whose groups, and whether those that are added later are among them."""
        held = [(reference(), index) for reference, index in self._groups]
        late = [optimizer for optimizer, _ in held if getattr(optimizer, "late_decay", None) is self]
        return {**self.__dict__, "_groups": held, "_late": late}

    def __setstate__(self, state: dict[str, Any]) -> None:
        alive = [
            (k, optimizer, index) for k, (optimizer, index) in enumerate(state["_groups"]) if optimizer is not None
        ]
        for optimizer in state.pop("_late"):
            optimizer.late_decay = self
        vars(self).update(state)
        self._groups = [(weakref.ref(optimizer), index) for _, optimizer, index in alive]
        self._written = [state["_written"][k] for k, _, _ in alive]
        self._before = [None for _ in alive]


class ConstantWD(WeightDecaySchedule):
    """``λ_k = λ``."""

    def __init__(self, weight_decay: float) -> None:
        super().__init__()
        self.weight_decay = weight_decay

    def at(self, count: int) -> float:
        return self.weight_decay


class LinearWD(WeightDecaySchedule):
    """``λ_k = start + (end − start)·k/steps``, then ``end``. Raises ``ValueError`` unless steps ≥ 1."""

    def __init__(self, start: float, end: float, steps: int) -> None:
        super().__init__()
        self.start, self.end, self.steps = start, end, _positive(steps, "steps")
        self.length = self.steps

    def at(self, count: int) -> float:
        return self.start + (self.end - self.start) * min(1.0, count / self.steps)


class CosineWD(WeightDecaySchedule):
    """``λ_k = end + (start − end)·(1 + cos(πk/steps))/2``, then ``end``. Raises ``ValueError`` unless steps ≥ 1."""

    def __init__(self, start: float, end: float, steps: int) -> None:
        super().__init__()
        self.start, self.end, self.steps = start, end, _positive(steps, "steps")
        self.length = self.steps

    def at(self, count: int) -> float:
        return self.end + (self.start - self.end) * (1 + cos(pi * min(1.0, count / self.steps))) / 2


class LambdaWD(WeightDecaySchedule):
    """``λ_k = f(k)``."""

    def __init__(self, f: Callable[[int], float]) -> None:
        super().__init__()
        self.f = f

    def at(self, count: int) -> float:
        return float(self.f(count))


class NormalizedWD(WeightDecaySchedule):
    """Loshchilov & Hutter's normalized decay: ``λ = λ_norm·√(b/(B·T))``, stepped once an epoch.

    b is the batch size, B the number of samples and T the epochs of the current run: ``epochs`` at first and, with
    warm restarts (``multiplier`` not None), ``multiplier`` times the last one after each restart. The result is a λ of
    the paper's form: use it with ``decay="independent"`` or ``"proximal"``.
    Source: https://arxiv.org/abs/1711.05101, section 4 and appendix B. Raises ``ValueError`` for sizes below 1.
    """

    def __init__(
        self, weight_decay: float, *, batch_size: int, dataset_size: int, epochs: int, multiplier: int | None = None
    ) -> None:
        super().__init__()
        self.weight_decay = weight_decay
        self.batch_size, self.dataset_size = (
            _positive(batch_size, "batch_size"),
            _positive(dataset_size, "dataset_size"),
        )
        self.epochs = _positive(epochs, "epochs")
        self.multiplier = None if multiplier is None else _positive(multiplier, "multiplier")

    def at(self, count: int) -> float:
        epochs, left = self.epochs, count
        while self.multiplier is not None and left >= epochs:
            left, epochs = left - epochs, epochs * self.multiplier
        return self.weight_decay * sqrt(self.batch_size / (self.dataset_size * epochs))


def _positive(n: int, name: str) -> int:
    if not n >= 1:
        raise ValueError(f"{name} must be at least 1, but {n} was given.")
    return n
