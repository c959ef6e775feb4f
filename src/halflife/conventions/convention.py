"""What one framework means by lr, weight decay and ε: words that say where each stands, and the optimizer they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite, sqrt
from typing import Any, Literal

from ..decays import Decay
from ..optim import Optimizer
from ..optimizers import SGD, AdamW, Lion, Muon
from .callable_schedule import CallableSchedule, following
from .framework_adam import FrameworkAdamW
from .framework_muon import FrameworkMuonW, MuonForm, muon_settings
from .framework_sgd import FrameworkSGDW
from .multiples import Multiples

RuleName = Literal["adam", "nadam-timm", "nadam-optax", "sgd", "lion", "muon"]
DecayScale = Literal["lr", "schedule", "one", "lr*schedule", "lr*lr"]
DecayOrder = Literal["before", "after", "proximal", "coupled"]
EpsForm = Literal["standard", "uncorrected", "clamped", "floored"]
MomentBias = Literal["corrected", "raw"]
LrPlace = Literal["outside", "inside"]
Strength = Literal["plain", "normalized"]

PLACEMENTS = {"before": "explicit", "after": "explicit", "proximal": "implicit"}
FIRST_MOMENTS = {"adam": "mean", "nadam-timm": "timm", "nadam-optax": "optax"}
Keywords = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """The numbers that a recipe names.

    Args:
        lr: the base learning rate α, the one at which the schedule's η is 1; above 0.
        weight_decay: λ, at least 0.
        betas: the shares of the old averages that stay.
        eps: ε, at least 0.
        momentum: μ, of those that have one.

    Raises:
        ValueError: with a sentence, for what no conversion can start from.

    Example:
        >>> from halflife.conventions import Settings
        >>> Settings(lr=1e-3, weight_decay=0.1)
        Settings(lr=0.001, weight_decay=0.1, betas=(0.9, 0.999), eps=1e-08, momentum=0.0)
    """

    lr: float
    weight_decay: float
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    momentum: float = 0.0

    def __post_init__(self) -> None:
        """Raise ``ValueError`` with a sentence for what no conversion can start from."""
        if not (isfinite(self.lr) and self.lr > 0):
            raise ValueError(
                f"lr must be above 0, but {self.lr} was given; give the base learning rate, the one at the schedule's "
                "peak: what λ removes in a step is measured by it."
            )
        for name in ("weight_decay", "eps"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be a number of at least 0, but {value} was given.")
        for name, β in (("betas[0]", self.betas[0]), ("betas[1]", self.betas[1]), ("momentum", self.momentum)):
            if not 0 <= β < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, but {β} was given.")


@dataclass(frozen=True)
class Convention:
    """One framework's update, said in words.

    Args:
        name, title: what ``find`` knows it by, and what tables call it.
        update: its equation.
        source: where that is written.
        defaults: its own numbers.
        rule: the kind of step.
        factor: what multiplies λ: "lr" in force, the "schedule" η = lr/α, "one", "lr*schedule" (lr²/max lr) or "lr*lr".
        order: the decay "before" the step (or from the same old weights), "after" it, "proximal" or "coupled" (in the
            gradient).
        eps: "standard" √v̂ + ε, "uncorrected" √v + ε beside the raw second moment, "clamped" max(√v̂, ε), "floored"
            √(v + 1e-15) + ε; a Muon has ‖v‖ for √v̂.
        bias: whether the moments are "corrected" or "raw".
        lr_place: outside or inside of SGD's momentum.
        amount: λ itself or Loshchilov & Hutter's "normalized" λ√steps.
        aliases: other names.
        spelling: the framework's own names of the arguments.
        notes: what else is to be known.
        beyond: why no other convention's numbers can stand for this one, if none can.
        muon: the rest of what a Muon is.
        multiples: what the framework multiplies each parameter's lr and λ by, if it does.
        amsgrad: what that flag takes the maximum of, "max" (of v) or "max of corrected" (v̂); anything else says why it
            is refused.

    Example:
        The same λ of two frameworks, and what is left of a weight after a step without a gradient:
        >>> from halflife.conventions import find
        >>> for name in ("torch", "paper"):
        ...     w = torch.nn.Parameter(torch.ones(1))
        ...     optimizer = find(name).optimizer([w], lr=0.01, weight_decay=0.001)
        ...     w.grad = torch.zeros(1)
        ...     optimizer.step()
        ...     print(name, round(w.item(), 6))
        torch 0.99999
        paper 0.999
    """

    name: str
    title: str
    update: str
    source: str
    defaults: Settings
    rule: RuleName = "adam"
    factor: DecayScale = "lr"
    order: DecayOrder = "before"
    eps: EpsForm = "standard"
    bias: MomentBias = "corrected"
    lr_place: LrPlace = "outside"
    amount: Strength = "plain"
    aliases: tuple[str, ...] = ()
    spelling: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    notes: tuple[str, ...] = ()
    beyond: str = ""
    muon: MuonForm | None = None
    multiples: Multiples | None = None
    amsgrad: str = "it has no such flag, or one that was not looked into"

    def settings(self, **given: Any) -> Settings:
        """This framework's defaults with other numbers.

        Args:
            given: lr, weight_decay, betas, eps or momentum, None for a default. ``ValueError`` for one out of range.

        Returns:
            The settings.
        """
        return replace(self.defaults, **{name: value for name, value in given.items() if value is not None})

    def optimizer(self, params: Any, **settings: Any) -> Optimizer:
        """The halflife optimizer that makes this framework's steps exactly, with its defaults.

        Each group keeps a base learning rate of its own, also where the framework has one for all of them.

        Args:
            params: as any optimizer takes them.
            settings: lr, weight_decay, betas, eps and momentum, or the framework's own names for them; ``lr`` and
                ``weight_decay`` may be callables of the step, counted from 0, as in TensorFlow. ``steps``, for a
                normalized λ, is the number of steps between two restarts. Anything else goes to the optimizer:
                rounding, say.

        Returns:
            The optimizer.

        Raises:
            ValueError: for what cannot be built, and why.
        """
        if self.beyond:
            raise ValueError(f"{self.name} cannot be built of a rule and a decay, for {self.beyond}.")
        given = _with_our_names(self, settings)
        schedule = CallableSchedule({name: given[name] for name in ("lr", "weight_decay") if callable(given[name])})
        _check_callables(self, given)
        given |= schedule.at(0)
        if self.amount == "normalized":
            given["weight_decay"] = _denormalized(self, given.pop("steps", None), given["weight_decay"])
        if self.multiples:
            params = self.multiples.groups(params, given, self.name)
        kind = _class_for(self, given)
        optimizer = kind(params, decay=_decay_of(self), **_rule_settings(self, given))
        if schedule.callables:
            optimizer.__class__ = following(kind)
            optimizer.__dict__["callable_schedule"] = schedule
            schedule.attach(optimizer)
        return optimizer

    def __str__(self) -> str:
        return self.name


def _decay_of(convention: Convention) -> Decay:
    """Its placement and scale of λ, as a decay of ours."""
    if convention.order == "coupled":
        return Decay("before")
    return Decay(PLACEMENTS[convention.order], convention.factor)


def _with_our_names(convention: Convention, given: Mapping[str, Any]) -> Keywords:
    """The framework's defaults, and what was given over them, under our names."""
    none_says = convention.muon.scale_flag if convention.muon else ""
    told = {name: value for name, value in given.items() if value is not None or name == none_says}
    named = {convention.spelling.get(name, name): value for name, value in told.items()}
    d = convention.defaults
    β1, β2 = d.betas
    own: dict[str, Keywords] = {
        "sgd": {"momentum": d.momentum},
        "lion": {"betas": d.betas},
        "muon": {"momentum": d.momentum, "eps": d.eps},
    }
    settings: Keywords = {"lr": d.lr, "weight_decay": d.weight_decay}
    settings |= own.get(convention.rule, {"betas": d.betas, "eps": d.eps})
    if "beta1" in named or "beta2" in named:
        settings["betas"] = (named.pop("beta1", β1), named.pop("beta2", β2))
    return {**settings, **named}


def _class_for(convention: Convention, settings: Mapping[str, Any]) -> type[Optimizer]:
    if convention.rule == "lion":
        return Lion
    if convention.muon is not None:
        return Muon if convention.muon.is_torchs else FrameworkMuonW
    if convention.rule == "sgd":
        return SGD if convention.lr_place == "outside" else FrameworkSGDW
    torchs = _is_torchs(convention) and _bound(convention, dict(settings)) == "none"
    return AdamW if torchs else FrameworkAdamW


def _is_torchs(convention: Convention) -> bool:
    """Whether it is Adam as PyTorch has it, but for the decay."""
    words = (convention.rule, convention.eps, convention.bias)
    return words == ("adam", "standard", "corrected") and convention.order != "after"


def _rule_settings(convention: Convention, settings: Keywords) -> Keywords:
    """The settings, and the forms of the framework's rule."""
    if convention.rule == "sgd" and convention.lr_place == "inside":
        momentum_type = "nesterov" if settings.pop("nesterov", False) else "momentum"
        return {**settings, "momentum_type": momentum_type}
    if convention.muon is not None:
        return muon_settings(convention.muon, convention.eps, settings)
    bound = _bound(convention, settings)
    if convention.rule in ("sgd", "lion") or (_is_torchs(convention) and bound == "none"):
        return settings
    order = "after" if convention.order == "after" else "before"
    settings.pop("amsgrad", None)
    forms = {"eps_form": convention.eps, "bias": convention.bias, "order": order, "bound": bound}
    return {**settings, **forms, "first_moment": FIRST_MOMENTS[convention.rule]}


def _bound(convention: Convention, settings: Keywords) -> str:
    """Which maximum the framework's amsgrad takes, where torch's is another; refused where it takes none."""
    if not settings.get("amsgrad") or convention.rule in ("sgd", "lion"):
        return "none"
    if convention.amsgrad not in ("max", "max of corrected"):
        raise ValueError(
            f"amsgrad=True cannot be had of {convention.name}, for {convention.amsgrad}; leave it out, or take 'torch'."
        )
    if convention.amsgrad == "max" and _is_torchs(convention):
        return "none"  # torch's own flag
    return convention.amsgrad


def _check_callables(convention: Convention, given: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` for a callable where the framework wants the base number."""
    if callable(given["lr"]) and "schedule" in convention.factor:
        raise ValueError(
            f"{convention.name} decays by λ times the schedule, lr divided by its base; give lr as a number, the base, "
            "and let a scheduler of torch move it."
        )
    if convention.multiples and any(callable(given[name]) for name in ("lr", "weight_decay")):
        raise ValueError(
            f"{convention.name} multiplies lr and weight_decay, parameter by parameter, when it is made; give both as "
            "numbers, and let a scheduler of torch move the lr."
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
