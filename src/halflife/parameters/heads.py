"""Which layer of a model is its last: no type tells it from the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from torch import nn
from torch.nn.parameter import is_lazy

SAID = ("get_classifier", "get_output_embeddings")
"""By what methods models say it themselves: timm's, transformers'."""


def head_of(model: nn.Module) -> tuple[str, ...] | None:
    """A pattern of the names of the last layer's parameters.

    It is what the model says itself, by timm's ``get_classifier()`` or transformers' ``get_output_embeddings()``, or
    the last of layers in a row, ``nn.Sequential``. A model that is a single layer has no other, and so no last one.

    Args:
        model: the model.

    Returns:
        For instance ``("classify.*",)``; None where nothing tells.

    Example:
        >>> from halflife.lab.models import head_of, mlp, resnet
        >>> head_of(mlp(64, 32, 10)), head_of(resnet(8, width=4))
        (('2.*',), ('classify.*',))
    """
    if isinstance(model, nn.Linear):
        return ()
    layer = _said(model) or _last_of_row(model)
    if layer is None:
        return None
    named = cast(Iterator[tuple[str, nn.Module]], model.named_modules())
    return tuple(f"{name}.*" for name, module in named if module is layer and name and _has_matrix(layer))


def _said(model: nn.Module) -> nn.Module | None:
    for method in SAID:
        says = getattr(model, method, None)
        layer = says() if callable(says) else None
        if isinstance(layer, nn.Module):
            return layer
    return None


def _last_of_row(model: nn.Module) -> nn.Module | None:
    if not isinstance(model, nn.Sequential):
        return None
    layers = [layer for layer in model if _has_matrix(layer)]
    if not layers:
        return None
    last = layers[-1]
    return _said(last) or _last_of_row(last) or (None if any(True for _ in last.children()) else last)


def _has_matrix(layer: nn.Module) -> bool:
    return any(is_lazy(p) or p.dim() > 1 for p in layer.parameters())
