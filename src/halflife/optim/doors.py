"""torch's flags, translated at the door: a parameter group in, a rule out.

Read at every step, so that a scheduler or a user may change any of them between two steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from torch import Tensor

from .. import rules
from ..rules import Rule

Group = Mapping[str, Any]
Door = Callable[[Group], Rule]


def sgd(group: Group) -> Rule:
    look = "plain" if group["momentum"] == 0 else "nesterov" if group["nesterov"] else "momentum"
    return rules.SGD(group["momentum"], group["dampening"], look)


def asgd(group: Group) -> Rule:
    return rules.ASGD(group["lambd"], group["alpha"], group["t0"])


def adagrad(group: Group) -> Rule:
    return rules.Adagrad(group["lr_decay"], group["initial_accumulator_value"], group["eps"])


def adadelta(group: Group) -> Rule:
    return rules.Adadelta(group["rho"], group["eps"])


def rmsprop(group: Group) -> Rule:
    look = "momentum" if group["momentum"] > 0 else "plain"
    moment = "centered" if group["centered"] else "raw"
    return rules.RMSprop(group["alpha"], group["eps"], group["momentum"], look, moment, _eps_place(group))


def adam(group: Group) -> Rule:
    bound = "max" if group["amsgrad"] else "none"
    return rules.Adam(*_betas(group), group["eps"], bound, _eps_place(group))


def nadam(group: Group) -> Rule:
    return rules.NAdam(*_betas(group), group["eps"], group["momentum_decay"])


def radam(group: Group) -> Rule:
    return rules.RAdam(*_betas(group), group["eps"])


def adamax(group: Group) -> Rule:
    return rules.Adamax(*_betas(group), group["eps"])


def rprop(group: Group) -> Rule:
    return rules.Rprop(*group["etas"], *group["step_sizes"])


def by_fields(rule: type[Rule]) -> Door:
    """The door of a rule that torch does not have: its fields by name, ``betas`` standing for ``beta1, beta2``."""
    names = [f.name for f in fields(rule)]  # type: ignore[arg-type]

    def door(group: Group) -> Rule:
        β1, β2 = _betas(group) if "beta1" in names else (None, None)
        settings = {**group, "beta1": β1, "beta2": β2}
        return rule(**{name: settings[name] for name in names})

    return door


def _betas(group: Group) -> tuple[Any, Any]:
    β1, β2 = (β.squeeze() if isinstance(β, Tensor) else β for β in group["betas"])
    return β1, β2


def _eps_place(group: Group) -> Any:
    return "inside" if group.get("eps_inside") else "outside"
