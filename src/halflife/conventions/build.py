"""The halflife optimizer that makes a convention's steps exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from typing import TYPE_CHECKING, Any

from .. import optim
from ..decays import Decay
from ..optim import Optimizer
from .callable_schedule import CallableSchedule
from .framework_adam import FrameworkAdamW
from .framework_sgd import FrameworkSGDW

if TYPE_CHECKING:
    from .convention import Convention

PLACEMENTS = {"before": "explicit", "after": "explicit", "proximal": "implicit"}
FIRST_MOMENTS = {"adam": "mean", "nadam-timm": "timm", "nadam-optax": "optax"}
Given = dict[str, Any]


def build(convention: Convention, params: Any, given: Mapping[str, Any]) -> Optimizer:
    """``Convention.optimizer``; ``given`` are its keyword arguments."""
    if convention.beyond:
        raise ValueError(f"{convention.name} cannot be built of a rule and a decay, for {convention.beyond}.")
    settings = respelled(convention, given)
    schedule = CallableSchedule({name: settings[name] for name in ("lr", "weight_decay") if callable(settings[name])})
    _check_base(convention, settings["lr"])
    settings |= schedule.at(0)
    if convention.amount == "normalized":
        settings["weight_decay"] = _denormalized(convention, settings.pop("steps", None), settings["weight_decay"])
    optimizer = _class_for(convention)(params, decay=decay_of(convention), **_words(convention, settings))
    schedule.attach(optimizer)
    return optimizer


def decay_of(convention: Convention) -> Decay:
    """Where its λ stands, as a treatment of ours."""
    if convention.order == "coupled":
        return Decay("before")
    return Decay(PLACEMENTS[convention.order], convention.factor)


def respelled(convention: Convention, given: Mapping[str, Any]) -> Given:
    """The framework's defaults, and what was given over them, under our names."""
    named = {convention.spelling.get(name, name): value for name, value in given.items() if value is not None}
    d = convention.defaults
    β1, β2 = d.betas
    own: dict[str, Given] = {"sgd": {"momentum": d.momentum}, "lion": {"betas": d.betas}}
    settings: Given = {"lr": d.lr, "weight_decay": d.weight_decay}
    settings |= own.get(convention.rule, {"betas": d.betas, "eps": d.eps})
    if "beta1" in named or "beta2" in named:
        settings["betas"] = (named.pop("beta1", β1), named.pop("beta2", β2))
    return {**settings, **named}


def _class_for(convention: Convention) -> Callable[..., Optimizer]:
    if convention.rule == "lion":
        return optim.Lion
    if convention.rule == "sgd":
        return optim.SGD if convention.lr_place == "outside" else FrameworkSGDW
    return optim.AdamW if _is_torchs(convention) else FrameworkAdamW


def _is_torchs(convention: Convention) -> bool:
    """Whether it is Adam as PyTorch has it, but for the decay."""
    words = (convention.rule, convention.eps, convention.bias)
    return words == ("adam", "standard", "corrected") and convention.order != "after"


def _words(convention: Convention, settings: Given) -> Given:
    """The settings, and the forms of the framework's rule."""
    if convention.rule == "sgd" and convention.lr_place == "inside":
        momentum_type = "nesterov" if settings.pop("nesterov", False) else "momentum"
        return {**settings, "momentum_type": momentum_type}
    if convention.rule in ("sgd", "lion") or _is_torchs(convention):
        return settings
    order = "after" if convention.order == "after" else "before"
    forms = {"eps_form": convention.eps, "bias": convention.bias, "order": order}
    return {**settings, **forms, "first_moment": FIRST_MOMENTS[convention.rule]}


def _check_base(convention: Convention, lr: Any) -> None:
    if callable(lr) and "schedule" in convention.factor:
        raise ValueError(
            f"{convention.name} decays by λ times the schedule, lr divided by its base; give lr as a number, the base, "
            "and let a scheduler of torch move it."
        )


def _denormalized(convention: Convention, steps: int | None, λ: Any) -> Any:
    """λ_norm/√steps; halflife.Normalized is so already."""
    if not isinstance(λ, int | float):
        return λ
    if steps is None or not steps >= 1:
        raise ValueError(
            f"{convention.name}'s weight decay is normalized, λ = λ_norm/√(steps between two restarts); "
            f"give steps=, at least 1 (given: {steps}), or weight_decay=halflife.Normalized(…)."
        )
    return λ / sqrt(steps)
