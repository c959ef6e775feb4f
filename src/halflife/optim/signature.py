"""The constructor that each class shows: torch's, letter for letter, and our keywords after it."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from inspect import Parameter, Signature
from typing import Any

import torch
from torch import Tensor

from ..rules import Rule


def of_torch(torch_class: type[torch.optim.Optimizer], extra: dict[str, Any]) -> Signature:
    """torch's own signature, whatever its version, with ``extra`` added as keyword-only parameters."""
    parameters = list(inspect.signature(torch_class).parameters.values())
    return _with(parameters, extra)


def of_rule(rule: type[Rule], extra: dict[str, Any]) -> Signature:
    """``params, lr``, the rule's fields (``betas`` for ``beta1, beta2``), ``weight_decay`` and torch's usual flags."""
    settings = {f.name: f.default for f in fields(rule) if f.default is not MISSING}  # type: ignore[arg-type]
    if "beta1" in settings:
        settings = {"betas": (settings.pop("beta1"), settings.pop("beta2")), **settings}
    parameters = [Parameter("params", Parameter.POSITIONAL_OR_KEYWORD)]
    positional = {"lr": 1e-3, **settings, "weight_decay": 0.0}
    parameters += [Parameter(n, Parameter.POSITIONAL_OR_KEYWORD, default=d) for n, d in positional.items()]
    return _with(parameters, {"foreach": None, "maximize": False, "capturable": False, "differentiable": False} | extra)


def of_init(init: Any) -> Signature:
    """A constructor's signature as its callers see it."""
    signature = inspect.signature(init)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def with_defaults(signature: Signature, defaults: dict[str, Any]) -> Signature:
    """The same signature with other defaults."""
    unknown = defaults.keys() - signature.parameters.keys()
    if unknown:
        raise TypeError(f"a preset sets {', '.join(sorted(unknown))}, which its optimizer does not take")
    changed = [p.replace(default=defaults.get(p.name, p.default)) for p in signature.parameters.values()]
    return signature.replace(parameters=changed)


def _with(parameters: list[Parameter], extra: dict[str, Any]) -> Signature:
    added = [Parameter(name, Parameter.KEYWORD_ONLY, default=default) for name, default in extra.items()]
    return Signature([*parameters, *added])


def check_one_element(name: str, value: Any) -> None:
    """Raise ``ValueError`` for a tensor of several numbers."""
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError(f"Tensor {name} must be 1-element, but one of shape {tuple(value.shape)} was given.")


def check_settings(settings: dict[str, Any]) -> None:
    """For what torch's constructors do not see: their conditions on the learning rate, the averages and the decay."""
    for name in settings.keys() & {"lr", "weight_decay", "eps"}:
        check_one_element(name, settings[name])
        if not settings[name] >= 0:
            raise ValueError(f"{name} must be at least 0, but {settings[name]} was given.")
    for index, β in enumerate(settings.get("betas", ())):
        if not 0 <= β < 1:
            raise ValueError(f"betas[{index}] must be at least 0 and below 1, but {β} was given.")
    if settings.get("foreach") and settings.get("differentiable"):
        raise ValueError("foreach=True and differentiable=True exclude each other; leave foreach=None.")
