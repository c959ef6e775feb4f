"""The step inside backward: each gradient is used as soon as it is there, and freed."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..engines import StepDecision
from ..engines.global_gradient import STEP
from ..optim import Optimizer
from ..optim.groups import CyclicPeaks, Group
from ..optim.stepper import StepWarnings
from .monitor import Monitor

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

REDUCERS = ("DistributedDataParallel", "FullyShardedDataParallel")

NEED_ALL = {
    "max_grad_norm": "clips by the norm of all gradients",
    "skip_nonfinite": "decides on a step by all gradients",
}


def fuse_with_backward(model: nn.Module, optimizer: Optimizer) -> Fused:
    """Have each parameter stepped within ``backward()``, as soon as its gradient is complete, and the gradient freed.

    So the gradients are never all there at once: the peak is about that of the largest tensor. The training loop stays
    as it is: ``optimizer.step()`` finds no gradients left and only ends the step, which schedulers and hooks wait for
    (``zero_grad()`` may go). Every parameter moves by the same numbers as without, to the last bit where the engine is
    the same; on a GPU the tensors are stepped one by one, no longer many by one kernel. State and groups stay the
    optimizer's: checkpoints, schedulers, ``averaged()`` and ``add_param_group`` do as ever. A parameter that had no
    hook, being frozen or added later, is stepped by ``optimizer.step()``.

    A closure is stepped by its own ``backward()``, as in Lightning. ``clip_grad_norm_`` would find no gradients. A
    batch may be given up, by ``optimizer.zero_grad()`` or an exception within ``backward()``: what it has stepped stays
    so. With FSDP2 (``fully_shard``) each shard is stepped as soon as its gradient is reduced.

    Args:
        model: the model itself, whose modules are looked at.
        optimizer: one of halflife's, of the model's parameters.

    Returns:
        What undoes it, and what gradients are accumulated with over several backward passes.

    Raises:
        TypeError: for another optimizer than halflife's, or no model.
        ValueError: for what needs all gradients at once (``max_grad_norm``, ``skip_nonfinite``, DDP, FSDP1) and for
            ``differentiable=True``.
        RuntimeError: later, for a ``GradScaler``, and for a second backward before ``optimizer.step()`` that nobody
            announced.

    Example:
        >>> model = torch.nn.Linear(2, 1, bias=False)
        >>> optimizer = halflife.SGD(model.parameters(), lr=0.1)
        >>> fused = halflife.fuse_with_backward(model, optimizer)
        >>> before = model.weight.data.clone()
        >>> model(torch.tensor([[1.0, 2.0]])).sum().backward()
        >>> before - model.weight.data, model.weight.grad  # stepped, and freed
        (tensor([[0.1000, 0.2000]]), None)
        >>> optimizer.step()
    """
    _check(model, optimizer)
    return Fused(optimizer)


def _check(model: Any, optimizer: Any) -> None:
    if not isinstance(model, nn.Module) or not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"fuse_with_backward takes a model and an optimizer of halflife, not {type(model).__name__} and "
            f"{type(optimizer).__name__}; if that wraps one, give the one inside (Accelerate's: .optimizer)."
        )
    for module in model.modules():
        _refuse_reducer(module)
    own = {p for group in optimizer.param_groups for p in group["params"]}
    if own.isdisjoint(model.parameters()):
        raise ValueError("the optimizer has none of the model's parameters; give the model that it was made for.")
    if any(isinstance(watcher, Fused) for watcher in watchers(optimizer)):
        raise ValueError("the optimizer is fused with backward already; remove() that one first.")
    if optimizer.defaults["differentiable"]:
        raise ValueError(
            "differentiable=True keeps each step in the graph that backward is just freeing; leave it False."
        )
    refuse_settings(optimizer.param_groups)
    _refuse_reducers_of(own)


def _refuse_reducer(module: nn.Module) -> None:
    if type(module).__name__ in REDUCERS:
        raise ValueError(
            f"{type(module).__name__} reduces the gradients over processes after they are complete here, so that a "
            "fused step would take unreduced ones; train without fusing, shard with fully_shard (FSDP2), or train on "
            "one process."
        )


def _refuse_reducers_of(params: Iterable[Tensor]) -> None:
    """Raise ``ValueError`` if any of these belongs to a module that is wrapped: the wrapper is not seen from inside."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    own = {*map(id, params)}
    for x in gc.get_objects():
        if type(x).__name__ in REDUCERS and isinstance(x, nn.Module) and any(id(p) in own for p in x.parameters()):
            _refuse_reducer(x)


def watchers(optimizer: torch.optim.Optimizer) -> list[Any]:
    """Who is called before each step of the optimizer, by a method of its own."""
    return [getattr(hook, "__self__", None) for hook in optimizer._optimizer_step_pre_hooks.values()]


class Fused:
    """What ``fuse_with_backward`` set up; ``remove()``, or the end of a ``with`` block, undoes it.

    Args:
        optimizer: the one whose parameters are stepped within ``backward()``.

    Example:
        Two backward passes with one step, by the sum of their gradients:
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> optimizer = halflife.SGD(model.parameters(), lr=0.1)
        >>> before = model.weight.item()
        >>> with halflife.fuse_with_backward(model, optimizer) as fused:
        ...     with fused.accumulate():
        ...         model(torch.tensor([[1.0]])).sum().backward()
        ...     model(torch.tensor([[2.0]])).sum().backward()
        ...     optimizer.step()
        >>> round(before - model.weight.item(), 4)
        0.3
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self._accumulating = self._looked = False
        self._stepped: set[Tensor] = set()
        self._backward: int | None = None  # the pass that is under way, until it has ended well
        self._warnings: dict[tuple[int, torch.dtype], StepWarnings] = {}
        self._owners: dict[Tensor, tuple[int, Group]] = {}  # as the groups are in the pass that is under way
        self._peaks = CyclicPeaks()
        optimizer.unscale_in_step(True)  # so that a scaler comes to _before_step, which refuses it
        self._handles: list[RemovableHandle] = [
            optimizer.register_step_pre_hook(self._before_step),
            optimizer.register_step_post_hook(self._end),
            optimizer.register_zero_grad_hook(self._end),
        ]
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.requires_grad:
                    self._handles.append(p.register_post_accumulate_grad_hook(self._hook()))

    @contextmanager
    def accumulate(self) -> Generator[None, None, None]:
        """Within the block ``backward()`` only adds to the gradients; the next one outside steps with the sum."""
        before, self._accumulating = self._accumulating, True
        try:
            yield
        finally:
            self._accumulating = before

    def remove(self) -> None:
        """Back to the ordinary step. May be called twice."""
        for handle in self._handles:
            handle.remove()
        if self._handles:
            self.optimizer.unscale_in_step(False)
        self._handles = []

    def __enter__(self) -> Fused:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _hook(self) -> Callable[[Tensor], None]:
        stepper = self.optimizer.new_stepper()

        @torch._disable_dynamo
        def step(p: Tensor) -> None:
            if self._accumulating:
                return
            self._note_backward()
            if p not in self._owners:
                return
            index, group = self._owners[p]
            if p in self._stepped:
                raise RuntimeError(
                    f"a parameter of shape {tuple(p.shape)} has got a second gradient before optimizer.step(), which "
                    "ends a step. To accumulate gradients, put every backward() but the last into `with "
                    "fused.accumulate():`; to give a batch up, call optimizer.zero_grad(). (Reentrant checkpointing of "
                    "a shared module gives two: use_reentrant=False.)"
                )
            stepper.warnings = self._warnings.setdefault((index, p.dtype), StepWarnings(index))
            with torch.no_grad():
                for monitor in watchers(self.optimizer):
                    if isinstance(monitor, Monitor):
                        monitor.look_at(group, p)
                stepper.step([{**group, "params": [p]}], self.optimizer.state, self._guard)
            p.grad = None
            self._stepped.add(p)
            self.optimizer.__dict__["_opt_called"] = True  # what torch's schedulers warn by if it is not there

        return step

    def _note_backward(self) -> None:
        """Begin a pass: whose parameter each is now, for groups may be reordered, replaced and emptied between two.

        What was stepped is taken for given up where the pass that stepped it did not come to its end.
        """
        this = torch._C._current_graph_task_id()
        if this == self._backward:
            return
        if self._backward is not None:
            self._stepped.clear()
        if not self._looked:  # the model may have been wrapped since
            self._looked = True
            _refuse_reducers_of(p for group in self.optimizer.param_groups for p in group["params"])
        self._backward = this
        self._owners = {p: (k, group) for k, group in enumerate(self.optimizer.param_groups) for p in group["params"]}
        self._peaks.read(self.optimizer.param_groups)
        for schedule in self.optimizer.schedules:
            schedule.restore()
        torch.autograd.Variable._execution_engine.queue_callback(self._backward_ended)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

    def _backward_ended(self) -> None:
        self._backward, self._owners = None, {}

    def _guard(self, *_: Any) -> StepDecision:
        if self.optimizer.global_grad_options() is not None:
            refuse_settings(self.optimizer.param_groups)
        return STEP

    def _before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if getattr(optimizer, "grad_scale", None) is not None or getattr(optimizer, "found_inf", None) is not None:
            raise RuntimeError(
                "a GradScaler needs all gradients before it says whether to step, and a fused step has been made with "
                "scaled ones already; start again with bfloat16 autocast, which needs no scaler, or without fusing."
            )

    def _end(self, *_: Any) -> None:
        self._stepped.clear()


def refuse_settings(groups: list[Group]) -> None:
    """Raise ``ValueError`` for a setting that needs all gradients at once."""
    for group in groups:
        for name, what in NEED_ALL.items():
            if group.get(name):
                raise ValueError(
                    f"{name}={group[name]!r} {what}, and a step fused with backward never has them all; leave {name} "
                    "out, or do not fuse."
                )
