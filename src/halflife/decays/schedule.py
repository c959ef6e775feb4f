"""λ over time: schedules of the weight decay, stepped beside torch's schedulers of the learning rate."""

from __future__ import annotations

import warnings
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from math import cos, pi, sqrt
from typing import Any

import torch
from torch import Tensor

from ..caller import level_of_caller
from .base_lr import base_lr_of


@dataclass
class Attachment:
    """A parameter group that a schedule writes to, and what it wrote there last and before.

    ``base_lr`` is the group's α as it was then, for groups that keep none. A copy or pickle has the optimizer with it.
    """

    optimizer: Callable[[], torch.optim.Optimizer | None]
    index: int
    base_lr: float
    written: float | None = None
    before: float | None = None
    initial_lr: Any = None
    """What a scheduler of the learning rate had written when one was last looked for, as is the next."""
    cycles_momentum: bool = False

    def __getstate__(self) -> list[Any]:
        return [self.optimizer(), *(getattr(self, field.name) for field in fields(self)[1:])]

    def __setstate__(self, state: list[Any]) -> None:
        optimizer = state[0]
        self.optimizer = (lambda: None) if optimizer is None else weakref.ref(optimizer)
        for field, x in zip(fields(self)[1:], state[1:], strict=True):
            setattr(self, field.name, x)

    @property
    def group(self) -> dict[str, Any] | None:
        """The group, if it is there still."""
        optimizer = self.optimizer()
        groups = [] if optimizer is None else optimizer.param_groups
        return groups[self.index] if self.index < len(groups) else None


class WeightDecaySchedule(ABC):
    """λ as a function of a count that ``step()`` moves on, as with torch's learning-rate schedulers.

    Give it as ``weight_decay=`` of an optimizer or of one parameter group, or ``attach`` it to an optimizer that is
    there already (any of torch's: it only writes ``group["weight_decay"]``). One schedule may serve many groups.
    ``state_dict()`` holds the count; the schedule's own settings are code, as a lambda is. A copy or pickle of
    schedule and optimizer together has them attached to each other as before.

    ``length`` is the count after which λ stays, if there is one: a schedule that is not stepped once in as many steps
    of an optimizer of halflife warns, as does one whose λ somebody else overwrites.

    Example:
        >>> class Halving(halflife.schedules.WeightDecaySchedule):
        ...     def at(self, count):
        ...         return 0.1 * 0.5**count
        >>> λ = Halving()
        >>> optimizer = halflife.AdamW([torch.nn.Parameter(torch.ones(1))], weight_decay=λ)
        >>> λ.step()
        >>> optimizer.param_groups[0]["weight_decay"]
        0.05
    """

    length: int | None = None

    def __init__(self) -> None:
        self.count = 0
        self._attachments = list[Attachment]()
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

    def value_for(self, attachment: Attachment, group: dict[str, Any]) -> float | Tensor:
        """λ now for the ``group`` of an ``attachment``: the same for all, unless it depends on more than the count."""
        return self.value

    def attach(
        self, optimizer: torch.optim.Optimizer, group: int | None = None, *, base_lr: float | None = None
    ) -> None:
        """Write λ into that parameter group of the optimizer, or into all of them, now and at every ``step()``.

        Where a group holds λ as a tensor it is written to in place, so that a graph that was captured sees it; a
        tensor that another group holds too is copied first. In a group of halflife's with ``capturable`` λ becomes
        such a tensor, on the parameters' device.

        Args:
            optimizer: any optimizer of torch's kind.
            group: the place of one parameter group among the optimizer's, None for all that are there.
            base_lr: α of those groups that do not say it themselves, for schedules that are tied to the learning rate;
                None is the peak of a scheduler that tells it, else the learning rate that the group has or began with.
        """
        groups, reference = optimizer.param_groups, weakref.ref(optimizer)
        for index in range(len(groups)) if group is None else [group]:
            _unshare(groups, index)
            α = float(base_lr_of(groups[index]) if base_lr is None else base_lr)
            self._attachments.append(Attachment(reference, index, α))
        self._write()
        _watch(optimizer, self)

    def step(self) -> None:
        """Move the count on by one and write the new λ into every group."""
        self._warn_if_overwritten()
        self.count += 1
        self._write()

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Those that it is attached to and that are there still."""
        there = [attachment.optimizer() for attachment in self._attachments]
        return list({id(optimizer): optimizer for optimizer in there if optimizer is not None}.values())

    def _live(self) -> Iterator[tuple[Attachment, dict[str, Any]]]:
        for attachment in self._attachments:
            group = attachment.group
            if group is not None:
                yield attachment, group

    def _write(self) -> None:
        for attachment, group in self._live():
            _hold_in_tensor(attachment, group)
            λ, there = self.value_for(attachment, group), group["weight_decay"]
            if isinstance(there, Tensor) and not (isinstance(λ, Tensor) and λ.requires_grad):
                with torch.no_grad():
                    there.copy_(λ) if isinstance(λ, Tensor) else there.fill_(λ)
            else:
                group["weight_decay"] = λ
            written = None if isinstance(λ, Tensor) else λ
            if attachment.written != written:
                attachment.before, attachment.written = attachment.written, written

    def restore(self) -> None:
        """Write λ again where that of before is found: an optimizer of halflife's asks for it before each step.

        ``ZeroRedundancyOptimizer`` has groups of its own, and puts what they say into the optimizer inside, where this
        schedule writes, before each step; a loaded checkpoint may have a number where a graph is to read a tensor.
        """
        for attachment, group in self._live():
            λ, before = group["weight_decay"], attachment.before
            if before is not None and not isinstance(λ, Tensor) and λ == before:  # a tensor is written to in place
                group["weight_decay"] = attachment.written
            _hold_in_tensor(attachment, group)

    def _warn_if_overwritten(self) -> None:
        for attachment, group in self._live():
            λ, written = group["weight_decay"], attachment.written
            if written is not None and not isinstance(λ, Tensor) and λ != written:
                self._warn(
                    f"{type(self).__name__} wrote weight_decay={written:g} into parameter group {attachment.index}, "
                    f"where {λ:g} is found: somebody else writes it too, and is overwritten at each step() of the "
                    "schedule. (After load_state_dict of the optimizer, load the schedule's too.)"
                )

    def warn_if_still(self, steps: int) -> bool:
        """Warn if it has not moved in so many ``steps`` of its optimizer; returns whether there is more to watch."""
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
        """The count."""
        return {"count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to the count that ``state_dict`` has. Raises ``KeyError`` if there is none."""
        if "count" not in state_dict:
            raise KeyError("the weight-decay schedule's state_dict has no 'count'; was it saved by another scheduler?")
        self.count = int(state_dict["count"])
        self._write()

    def __getstate__(self) -> dict[str, Any]:
        """With the optimizers: whose groups, and whether those that are added later are among them."""
        late = [optimizer for optimizer in self.optimizers() if getattr(optimizer, "late_decay", None) is self]
        return {**self.__dict__, "_late": late}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for optimizer in state.pop("_late"):
            optimizer.late_decay = self
        vars(self).update(state)
        self._attachments = [attachment for attachment in self._attachments if attachment.optimizer() is not None]
        for attachment in self._attachments:
            attachment.before = None
        for optimizer in self.optimizers():
            _watch(optimizer, self)


class ConstantWD(WeightDecaySchedule):
    """``λ_k = λ``.

    Args:
        weight_decay: λ.

    Example:
        >>> halflife.schedules.ConstantWD(0.01).at(1000)
        0.01
    """

    def __init__(self, weight_decay: float) -> None:
        super().__init__()
        self.weight_decay = weight_decay

    def at(self, count: int) -> float:
        return self.weight_decay


class LinearWD(WeightDecaySchedule):
    """``λ_k = start + (end − start)·k/steps``, then ``end``.

    Args:
        start, end: the first λ and the last.
        steps: how many calls of ``step()`` lie between them; ``ValueError`` below 1.

    Example:
        >>> [round(halflife.schedules.LinearWD(0.1, 0.0, steps=4).at(k), 3) for k in range(6)]
        [0.1, 0.075, 0.05, 0.025, 0.0, 0.0]
    """

    def __init__(self, start: float, end: float, steps: int) -> None:
        super().__init__()
        self.start, self.end, self.steps = start, end, _positive(steps, "steps")
        self.length = self.steps

    def at(self, count: int) -> float:
        return self.start + (self.end - self.start) * min(1.0, count / self.steps)


class CosineWD(WeightDecaySchedule):
    """``λ_k = end + (start − end)·(1 + cos(πk/steps))/2``, then ``end``. The arguments are those of :class:`LinearWD`.

    Example:
        >>> [round(halflife.schedules.CosineWD(0.1, 0.0, steps=4).at(k), 3) for k in range(6)]
        [0.1, 0.085, 0.05, 0.015, 0.0, 0.0]
    """

    def __init__(self, start: float, end: float, steps: int) -> None:
        super().__init__()
        self.start, self.end, self.steps = start, end, _positive(steps, "steps")
        self.length = self.steps

    def at(self, count: int) -> float:
        return self.end + (self.start - self.end) * (1 + cos(pi * min(1.0, count / self.steps))) / 2


class LambdaWD(WeightDecaySchedule):
    """``λ_k = f(k)``.

    Args:
        f: from how often ``step()`` was called to λ.

    Example:
        >>> halflife.schedules.LambdaWD(lambda k: 0.1 / (1 + k)).at(9)
        0.01
    """

    def __init__(self, f: Callable[[int], float]) -> None:
        super().__init__()
        self.f = f

    def at(self, count: int) -> float:
        return float(self.f(count))


class NormalizedWD(WeightDecaySchedule):
    """Loshchilov & Hutter's normalized decay: ``λ = λ_norm·√(b/(B·T))``, stepped once an epoch.

    The result is a λ of the paper's form: use it with ``decay="independent"`` or ``"proximal"``.
    Source: https://arxiv.org/abs/1711.05101, section 4 and appendix B.

    Args:
        weight_decay: λ_norm; 0.025 to 0.05 are usual.
        batch_size, dataset_size, epochs: b and B, in samples, and T, of the first run; ``ValueError`` below 1.
        multiplier: with warm restarts, by what T is multiplied at each; None without.

    Example:
        >>> λ = halflife.schedules.NormalizedWD(0.05, batch_size=128, dataset_size=50_000, epochs=100, multiplier=2)
        >>> print(f"{λ.at(0):.3g}, after the restart {λ.at(100):.3g}")
        0.000253, after the restart 0.000179
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


class LogTimeWD(WeightDecaySchedule):
    """Log-time decay: ``λ_t = ω/(offset + t)``, t = 1 at the first step.

    Where each step takes the share η·λ_t of the weights, what is left of them after t steps falls as a power of t, with
    exponent ω: the decay forgets in proportion to the time that has passed. In the paper λ is multiplied by the
    schedule η and not by the peak learning rate: that is ``decay="independent"`` here; under ``"decoupled"`` give ω/lr.
    Source: Ferbach, Paquette, Gidel, Everett & Paquette 2026 (ADANA), https://arxiv.org/abs/2602.05298.

    Args:
        omega: ω, without a unit; 4 in the paper, at every scale.
        offset: steps. 0 is the paper's equation, whose first λ is ω itself, more than all of the weights;
            the authors' code has a tenth of all steps, as ``weight_decay/(1 + t/offset)`` with ω = weight_decay·offset.

    Raises:
        ValueError: for a number below 0.

    Example:
        >>> λ = halflife.schedules.LogTimeWD(omega=4, offset=1000)
        >>> print(f"{λ.at(0):.3g}, after 9000 steps {λ.at(9000):.3g}")
        0.004, after 9000 steps 0.0004
    """

    def __init__(self, omega: float, offset: float) -> None:
        super().__init__()
        self.omega, self.offset = not_negative(omega, "omega"), not_negative(offset, "offset")

    def at(self, count: int) -> float:
        return self.omega / (self.offset + count + 1)


def _watch(optimizer: Any, schedule: WeightDecaySchedule) -> None:
    """An optimizer of halflife's tells if nobody calls ``step()``, and asks for λ before each of its own steps."""
    if is_halflifes(optimizer) and schedule not in optimizer.schedules:
        optimizer.watch(schedule)


def is_halflifes(optimizer: Any) -> bool:
    """Whether it knows schedules of λ and reads λ as a tensor: torch's own would wait for the device to do so."""
    return hasattr(optimizer, "watch")


def _unshare(groups: list[dict[str, Any]], index: int) -> None:
    """Give the group a tensor of its own, where another group holds the same one: what is written is for one group."""
    λ = groups[index]["weight_decay"]
    if isinstance(λ, Tensor) and sum(group["weight_decay"] is λ for group in groups) > 1:
        groups[index]["weight_decay"] = λ.detach().clone()


def _hold_in_tensor(attachment: Attachment, group: dict[str, Any]) -> None:
    """λ as a tensor where a graph is to be captured, which would repeat a number for ever."""
    λ, params = group["weight_decay"], group["params"]
    if isinstance(λ, Tensor) or not (params and group.get("capturable") and is_halflifes(attachment.optimizer())):
        return
    dtype = torch.float64 if params[0].dtype in (torch.float64, torch.complex128) else torch.float32
    group["weight_decay"] = torch.full((), λ, dtype=dtype, device=params[0].device)


def not_negative(x: float, name: str) -> float:
    """The number, or a ``ValueError`` that names it if it is below 0 or NaN."""
    if not x >= 0:
        raise ValueError(f"{name} must be at least 0, but {x} was given.")
    return x


def _positive(n: int, name: str) -> int:
    if not n >= 1:
        raise ValueError(f"{name} must be at least 1, but {n} was given.")
    return n
