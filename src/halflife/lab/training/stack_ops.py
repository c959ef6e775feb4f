"""Three operations that many networks have, stacked in the way that suits a CPU.

Under ``vmap`` torch's own rules for them leave a linear layer's gradient transposed in memory (3.9 against 1.0 µs a
replica for 64×10 weights, and the update cannot walk it in order) and take a softmax over a short last dimension one
row at a time (10.5 against 1.8 µs for 50 samples of 10 classes). Same equations, other order of the numbers.
Attention is written out: of its fused kernel ``vmap`` would call one a replica.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingParameterType=false, reportUnknownParameterType=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

IGNORED = -100
PLAIN = {
    **{"weight": None, "size_average": None, "reduce": None, "label_smoothing": 0.0},
    **{"ignore_index": IGNORED, "reduction": "mean"},
}
"""What ``cross_entropy`` passes on where it is called with outputs and targets alone."""


NARROW = 16
"""Outputs of a layer, under which its product is made transposed: 1.5 against 3.4 µs for 50 samples of 64 to 10."""


class StackOps(TorchFunctionMode):
    """Within it, ``linear`` and ``cross_entropy`` under one ``vmap`` are the ones below; attention is written out."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.linear and _stackable(*args, **kwargs):
            return _Linear.apply(*args, **kwargs)
        if func is functional.cross_entropy and len(args) == 2 and kwargs.items() <= PLAIN.items() and _classes(*args):
            return _CrossEntropy.apply(*args)
        if func in (functional.scaled_dot_product_attention, functional.multi_head_attention_forward):
            with sdpa_kernel(SDPBackend.MATH):
                return func(*args, **kwargs)
        return func(*args, **kwargs)


def _stackable(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
    return bias is not None and _stacked(weight) and _stacked(bias) and x.ndim >= 2


def _stacked(x: Tensor) -> bool:
    """Whether this is one tensor of a stack, under one vmap and no other."""
    functorch: Any = getattr(torch._C, "_functorch")  # noqa: B009 (torch declares it to nobody)
    return functorch.is_batchedtensor(x) and not functorch.is_batchedtensor(functorch.get_unwrapped(x))


def _classes(outputs: Tensor, targets: Tensor) -> bool:
    return _stacked(outputs) and outputs.ndim == 2 and not targets.is_floating_point()


class _Stacked(Function):
    """What is replaced: never run by itself, for ``vmap`` is on."""

    @staticmethod
    def forward(*inputs: Any) -> Any:
        raise NotImplementedError

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        raise NotImplementedError


class _Linear(_Stacked):
    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, int]:
        x, weight, bias = (_first(t, d, info.batch_size) for t, d in zip((x, weight, bias), in_dims, strict=True))
        rows = x if x.ndim == 3 else x.flatten(1, -2)
        return LinearStack.apply(rows, weight, bias).unflatten(1, x.shape[1:-1]), 0


class _CrossEntropy(_Stacked):
    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], outputs: Tensor, targets: Tensor) -> tuple[Tensor, int]:
        stacked = (_first(t, d, info.batch_size) for t, d in zip((outputs, targets), in_dims, strict=True))
        return CrossEntropyStack.apply(*stacked)[0], 0


def _first(x: Tensor, dim: int | None, size: int) -> Tensor:
    return x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)


class LinearStack(Function):
    """``y = x·Wᵀ + b`` for x ``[K, n, in]``, W ``[K, out, in]``, b ``[K, out]``; gradients lie as W and b do."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if weight.shape[1] < NARROW:
            return torch.baddbmm(bias.unsqueeze(2), weight, x.mT).mT
        return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        below = torch.bmm(gradient, weight) if ctx.needs_input_grad[0] else None
        return below, torch.bmm(gradient.mT, x), gradient.sum(1)


class CrossEntropyStack(Function):
    """The mean over n samples of ``−log softmax(z)`` at their targets, ``[K]``, for z ``[K, n, classes]``.

    A target of −100 is left out, of the mean too, as torch has it. Beside it, log softmax(z), ``[K, classes, n]``.
    """

    @staticmethod
    def forward(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logs = outputs.mT.contiguous().log_softmax(1)
        counted = targets != IGNORED
        picked = logs.gather(1, targets.clamp(min=0).unsqueeze(1)).squeeze(1)
        return -torch.where(counted, picked, 0.0).sum(1) / counted.sum(1), logs

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(inputs[1], output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, None]:
        targets, logs = ctx.saved_tensors
        counted = (targets != IGNORED).to(logs.dtype)
        at = torch.full_like(logs[:, :1], -1.0)
        share = (gradient / counted.sum(1)).unsqueeze(1) * counted
        below = logs.exp().scatter_add(1, targets.clamp(min=0).unsqueeze(1), at) * share.unsqueeze(1)
        return below.mT, None
