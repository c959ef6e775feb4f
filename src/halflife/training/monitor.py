"""A watch over what a step does to the weights, at the cost of a few steps in every hundred or thousand.

And where its measurements go: TensorBoard, W&B, a CSV file, a function.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import asdict, fields
from errno import ENOSPC
from io import StringIO
from os import strerror
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import warn

import torch
from torch import Tensor

from ..caller import level_of_caller
from ..engines import StepDecision
from ..optim import Optimizer
from ..optim.groups import Group, decay_of, number, regularizer_of
from ..rules import Scalar
from ..sharded.reduction import Reduction, reduction_of
from ..sharded.sharding import here
from .measurement import Before, Measurement, measurement_of, summed

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

Write = Callable[[Measurement], object]

UNDECAYED: dict[str, Any] = {"weight_decay": 0.0, "regularizer": None, "decay": None, "ema_decay": None}


class Monitor:
    """Records, in every ``every``-th step and for each parameter group, what the step did: a ``training.Measurement``.

    The step itself is not changed by a bit. A recorded step costs a few steps' time and two
    more copies of the weights: before the step, each tensor is stepped once without decay, on copies, so that the
    decay's part of the change is known for every rule, decay and regularizer. Between recorded steps nothing is
    computed.

    A path that cannot be written is refused here. What fails later (a full disk, W&B away, an exception of the
    function) is told by one warning for each of ``to``; training goes on, and the next measurement is tried again.

    Closures, clipping, skipped steps, a ``GradScaler`` and ``fuse_with_backward`` are followed. ``remove()``, or the
    end of a ``with`` block, ends it. Copies and pickles of the optimizer have no monitor; ``state_dict()`` holds the
    count of steps, for resuming.

    Args:
        optimizer: one of halflife's.
        every: from one recorded step to the next, at least 1.
        to: where to: a TensorBoard ``SummaryWriter``, a W&B run, a path (``"run.csv"``, or a folder for TensorBoard), a
            function of a ``Measurement``, or a list of these; None keeps it in ``last`` alone, the measurements of the
            last recorded step.

    Raises:
        TypeError: for another optimizer than halflife's.
        ValueError: for ``every`` below 1 and for a file of another kind.
        OSError: for a path that cannot be written.

    Example:
        >>> w = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
        >>> optimizer = halflife.SGD([w], lr=0.1, weight_decay=0.1, decay="decoupled")
        >>> monitor = halflife.Monitor(optimizer, every=1, to="run.csv")
        >>> w.grad = torch.tensor([4.0, -3.0])  # at a right angle to w
        >>> optimizer.step()
        >>> measured = monitor.last[0]
        >>> f"{measured.change:.4f} of ‖w‖, by {measured.angle:.4f}; {measured.decay_share:.2f} of it decay"
        '0.1005 of ‖w‖, by 0.1007; 0.09 of it decay'
    """

    def __init__(self, optimizer: Optimizer, *, every: int = 100, to: Any = None) -> None:
        _check(optimizer, every)
        self.optimizer, self.every, self.steps = optimizer, every, 0
        self.last: list[Measurement] = []
        self._write = None if to is None else writer_of(to)
        self._before: dict[Tensor, Before] = {}
        self._skipped_steps = 0
        self._handles: list[RemovableHandle] = [
            optimizer.register_step_pre_hook(self._before_step),
            optimizer.register_step_post_hook(self._after_step),
        ]

    @property
    def due(self) -> bool:
        """Whether the next step is to be recorded."""
        return bool(self._handles) and (self.steps + 1) % self.every == 0

    def remove(self) -> None:
        """Stop watching. May be called twice."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def state_dict(self) -> dict[str, int]:
        """The count of steps."""
        return {"steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting from there.

        Args:
            state_dict: what ``state_dict()`` returned. ``KeyError`` if there is no count.
        """
        if "steps" not in state_dict:
            raise KeyError("the Monitor's state_dict has no 'steps'; was it saved by something else?")
        self.steps = int(state_dict["steps"])

    @torch.no_grad()
    def look_at(self, group: Group, p: Tensor, factor: Scalar | None = 1.0) -> None:
        """Keep ``p`` of ``group`` before a step that is due; ``factor`` multiplies its gradient, None: skip."""
        if self.due:
            decays = number(group["weight_decay"]) or regularizer_of(group).constraint
            undecayed = self._undecayed(group, p, factor) if decays and factor is not None else None
            self._before[p] = Before(p.detach().clone(), undecayed)

    def _undecayed(self, group: dict[str, Any], p: Tensor, factor: Scalar) -> Tensor:
        """The weights after the same step with λ = 0, made on copies of weights and state."""
        copy = p.detach().clone()
        copy.grad = p.grad
        without = {**group, **UNDECAYED, "params": [copy]}
        there = self.optimizer.state.get(p, {})
        state = {copy: {name: x.clone() if isinstance(x, Tensor) else x for name, x in there.items()}}
        self.optimizer.new_stepper().step([without], state, lambda grads, norm, reduction: StepDecision("step", factor))
        return copy

    @torch._disable_dynamo
    def _before_step(self, optimizer: Any, args: Any, kwargs: Any) -> Any:
        if not self.due:
            return None
        self._skipped_steps = self.optimizer.skipped_steps
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if closure is None:
            self._look()
            return None
        return (args[0], self._looking_after(closure)), {}

    def _looking_after(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        """The gradients are there when the closure has been called."""

        def called() -> Any:
            loss = closure()
            self._look()
            return loss

        return called

    def _look(self) -> None:
        owners = {p: group for group in self.optimizer.param_groups for p in group["params"]}
        grads = {p: p.grad for p in owners if p.grad is not None}
        options, reduction = self.optimizer.global_grad_options(), self._reduction([*grads])
        decision = None
        if options and (grads or reduction):
            decision = options.decide([here(g) for g in grads.values()], None, reduction).settled()
        factor = 1.0 if decision is None else decision.factor if decision.act == "step" else None
        for p in grads:
            self.look_at(owners[p], p, factor)

    def _reduction(self, params: list[Tensor]) -> Reduction | None:
        everything = [p for group in self.optimizer.param_groups for p in group["params"]]
        return reduction_of(params, everything, self.optimizer.process_group)

    @torch._disable_dynamo
    @torch.no_grad()
    def _after_step(self, *_: Any) -> None:
        due, self.steps = self.due, self.steps + 1
        before, self._before = self._before, {}
        if not due:
            return
        skipped = self.optimizer.skipped_steps > self._skipped_steps
        self.last = []
        for index, group in enumerate(self.optimizer.param_groups):
            pairs = [(p, before[p]) for p in group["params"] if p in before]
            reduction = self._reduction([p for p, _ in pairs])
            if pairs or reduction:
                sums = summed(pairs, decay_of(group), reduction)
                self.last.append(measurement_of(self.optimizer, index, self.steps, skipped, sums))
        for measurement in self.last if self._write else ():
            self._write(measurement)  # pyright: ignore[reportOptionalCall]


def _check(optimizer: Any, every: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"a Monitor watches an optimizer of halflife, not {type(optimizer).__name__}; if that wraps one, give the "
            "one inside (Accelerate's: .optimizer)."
        )
    if not (isinstance(every, int) and every >= 1):
        raise ValueError(f"every must be a whole number of steps, at least 1, but {every!r} was given.")
    if optimizer.defaults["differentiable"]:
        raise ValueError("differentiable=True keeps each step's graph, which a Monitor would not see; leave it False.")


def writer_of(to: Any) -> Write:
    """What ``Monitor(to=…)`` was given, as a function of a measurement. Raises ``TypeError`` for what cannot be one."""
    if isinstance(to, list | tuple):
        writers = [writer_of(part) for part in to]  # pyright: ignore[reportUnknownVariableType]
        return lambda measurement: [write(measurement) for write in writers]
    if isinstance(to, str | Path):
        return Tried(_to_path(Path(to)), str(to))
    if callable(getattr(to, "add_scalar", None)):
        return Tried(lambda measurement: _to_tensorboard(to, measurement), type(to).__name__)
    if callable(getattr(to, "log", None)):
        return Tried(lambda measurement: to.log(_named(measurement), commit=False), type(to).__name__)
    if callable(to):
        return Tried(to, getattr(to, "__qualname__", type(to).__name__))
    raise TypeError(
        f"to={to!r} is nothing that a Monitor writes to; give a TensorBoard SummaryWriter, a W&B run, a path "
        "('run.csv', or a folder for TensorBoard), a function of a Measurement, or a list of these."
    )


class Tried:
    """A writer that may fail, as the step that it is told of has been made already; its first failure is a warning."""

    def __init__(self, write: Write, name: str) -> None:
        self._write, self._name, self._failed = write, name, False

    def __call__(self, measurement: Measurement) -> None:
        try:
            self._write(measurement)
        except Exception as error:  # it is the user's disk, network or function
            if self._failed:
                return
            self._failed = True
            warn(
                f"the Monitor could not write its measurement of step {measurement.step} to {self._name} "
                f"({type(error).__name__}: {error}); training goes on, and later ones are tried without a word.",
                UserWarning,
                stacklevel=level_of_caller(),
            )


def _to_path(path: Path) -> Write:
    if path.suffix not in ("", ".csv") and not path.is_dir():
        raise TypeError(
            f"to={str(path)!r} is no folder and no CSV file; name it run.csv, or give TensorBoard a folder."
        )
    try:
        return CsvFile(path) if path.suffix == ".csv" else _to_folder(path)
    except OSError as error:
        raise type(error)(
            f"to={str(path)!r} cannot be written ({error}); give a Monitor a file or a folder where you may write."
        ) from error


def _to_folder(path: Path) -> Write:
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            f"to={str(path)!r} is a folder for TensorBoard, which is not installed: pip install tensorboard, or give "
            "a CSV file, run.csv."
        ) from error
    writer: Any = SummaryWriter(str(path))  # pyright: ignore[reportUnknownVariableType]
    return lambda measurement: (_to_tensorboard(writer, measurement), writer.flush())


def _to_tensorboard(writer: Any, measurement: Measurement) -> None:
    for name, value in measurement.numbers().items():
        writer.add_scalar(f"halflife/{name}/{measurement.group}", value, measurement.step)


def _named(measurement: Measurement) -> dict[str, float]:
    """For W&B: logged with the caller's own next log, so that its steps stay the caller's."""
    numbers = {f"halflife/{name}/{measurement.group}": value for name, value in measurement.numbers().items()}
    return {"halflife/step": measurement.step, **numbers}


class CsvFile:
    """A row for each measurement, added to what is there; opened for each, so that a copy or a crash loses nothing.

    A row that the disk has no room for is taken back. Raises ``ValueError`` for a file of another kind, and ``OSError``
    where the file cannot be made.
    """

    COLUMNS = tuple(f.name for f in fields(Measurement))

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        expected, there = ",".join(self.COLUMNS), path.exists()
        with path.open("a+", newline="", encoding="utf-8", errors="replace") as file:
            file.seek(0)
            heading = file.readline(10 * len(expected)).strip()
        if not there:
            path.unlink()  # it was only to be seen whether it can be made
        if heading not in ("", expected):
            raise ValueError(f"{path} exists and is no file of a Monitor, or an older one's; give another name.")

    def __call__(self, measurement: Measurement) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as file:
            size, text = file.tell(), StringIO(newline="")
            rows = csv.DictWriter(text, self.COLUMNS)
            if not size:
                rows.writeheader()
            rows.writerow(asdict(measurement))
            data = text.getvalue().encode()
            if file.write(data) != len(data):
                file.truncate(size)
                raise OSError(ENOSPC, strerror(ENOSPC))
