"""The step inside backward: each gradient is used as soon as it is there, and freed."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..optim import Optimizer
from ..optim.precision import LostDecays
from .lone import Lone, refuse_settings
from .monitor import Monitor

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

REDUCERS = ("DistributedDataParallel", "FullyShardedDataParallel")


def fuse_with_backward(model: nn.Module, optimizer: Optimizer) -> Fused:
    """Have each parameter stepped within ``backward()``, as soon as its gradient is complete, and the gradient freed.

    So the gradients are never all there at once: the peak is about that of the largest tensor. The training loop stays
    as it is: ``optimizer.step()`` finds no gradients left and only ends the step, which schedulers and hooks wait for
    (``zero_grad()`` may go). Every parameter moves by the same numbers as without, to the last bit where the engine is
    the same; on a GPU the tensors are stepped one by one, no longer many by one kernel. State and groups stay the
    optimizer's: checkpoints, schedulers, ``averaged()`` and ``add_param_group`` do as ever. A parameter that had no
    hook, being frozen or added later, is stepped by ``optimizer.step()``.

    Gradients are accumulated over several backward passes by::

        with fused.accumulate():
            loss(first_half).backward()
        loss(second_half).backward()  # steps with the sum

    A closure is stepped by its own ``backward()``, as in Lightning. ``clip_grad_norm_`` would find no gradients.

    Raises ``ValueError`` for what needs all gradients at once (``max_grad_norm``, ``skip_nonfinite``, DDP, FSDP) and
    for ``differentiable=True``; and later ``RuntimeError`` for a ``GradScaler``, and for a second backward before
    ``optimizer.step()`` that nobody announced.
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
        if type(module).__name__ in REDUCERS:
            raise ValueError(
                f"{type(module).__name__} reduces the gradients over processes after they are complete here, so that a "
                "fused step would take unreduced ones; train without fusing, or on one process."
            )
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


def watchers(optimizer: torch.optim.Optimizer) -> list[Any]:
    """Who is called before each step of the optimizer, by a method of its own."""
    return [getattr(hook, "__self__", None) for hook in optimizer._optimizer_step_pre_hooks.values()]


class Fused:
    """What ``fuse_with_backward`` set up; ``remove()``, or the end of a ``with`` block, undoes it."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self._accumulating = False
        self._stepped: set[Tensor] = set()
        self._lost_decays: dict[Any, LostDecays] = {}
        optimizer._step_supports_amp_scaling = True  # so that a scaler comes to _before_step, which refuses it
        self._handles: list[RemovableHandle] = [
            optimizer.register_step_pre_hook(self._before_step),
            optimizer.register_step_post_hook(self._after_step),
        ]
        for index, group in enumerate(optimizer.param_groups):
            for p in group["params"]:
                if p.requires_grad:
                    self._handles.append(p.register_post_accumulate_grad_hook(self._hook(index, p)))

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
            self.optimizer._step_supports_amp_scaling = False
        self._handles = []

    def __enter__(self) -> Fused:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _hook(self, index: int, p: Tensor) -> Callable[[Tensor], None]:
        name, lost = type(self.optimizer).__name__, self._lost_decays.setdefault((index, p.dtype), LostDecays())
        lone: Lone = type(name, (Lone,), {})(self.optimizer, index, p, lost)  # errors name the optimizer's class

        @torch._disable_dynamo
        def step(_: Tensor) -> None:
            if self._accumulating:
                return
            if p in self._stepped:
                raise RuntimeError(
                    f"a parameter of shape {tuple(p.shape)} has got a second gradient before optimizer.step(), which "
                    "ends a step. To accumulate gradients, put every backward() but the last into `with "
                    "fused.accumulate():`. (Reentrant checkpointing of a shared module gives two: use_reentrant=False.)"
                )
            with torch.no_grad():
                for monitor in watchers(self.optimizer):
                    if isinstance(monitor, Monitor):
                        monitor.look_at(index, p)
                lone.step()
            p.grad = None
            self._stepped.add(p)
            self.optimizer.__dict__["_opt_called"] = True  # what torch's schedulers warn by if it is not there

        return step

    def _before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if getattr(optimizer, "grad_scale", None) is not None or getattr(optimizer, "found_inf", None) is not None:
            raise RuntimeError(
                "a GradScaler needs all gradients before it says whether to step, and a fused step has been made with "
                "scaled ones already; start again with bfloat16 autocast, which needs no scaler, or without fusing."
            )

    def _after_step(self, *_: Any) -> None:
        self._stepped.clear()
