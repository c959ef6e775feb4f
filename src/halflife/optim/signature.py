"""Constructors whose text is their signature: what is written, what the installed torch takes, and what is given.

A class writes its ``__init__`` as an editor is to show it, torch's arguments by name and ours as
``**options: Unpack[Options]``, and :func:`constructor` gives it the common body. When the class is made,
:func:`published` puts the same arguments, spelled out, where ``inspect``, ``typing.get_type_hints`` and command lines
look for them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from functools import wraps
from inspect import Parameter, Signature
from math import isnan
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
import torch
from torch import Tensor
from torch.distributed import ProcessGroup
from torch.optim.optimizer import ParamsT
from typing_extensions import TypedDict

from ..decays import Decay, named
from ..decays.schedule import WeightDecaySchedule
from ..engines import Engine
from ..engines.memory import Rounding
from ..regularizers import Regularizer
from ..rules import Rule, Scalar
from .groups import DecaySpec

DecayName: TypeAlias = Literal[
    "coupled", "decoupled", "independent", "proximal", "proximal_lr", "euclidean", "corrected", "cautious"
]
"""The decays that have a name; ``halflife.decays.NAMED`` says what each is."""
WeightDecay: TypeAlias = float | Tensor | WeightDecaySchedule | DecaySpec
"""λ: a number, a tensor of one element, a schedule of ``halflife.schedules`` or a time such as ``HalfLife``."""


class Options(TypedDict, total=False):
    """The keywords that every class takes beside its rule's own.

    The arguments: :class:`halflife.Optimizer`.

    Example:
        >>> options: halflife.optim.Options = {"decay": "proximal", "max_grad_norm": 1.0}
        >>> optimizer = halflife.Adam([torch.nn.Parameter(torch.ones(1))], **options)
        >>> optimizer.param_groups[0]["decay"]
        'proximal'
    """

    decay: DecayName | Decay | None
    regularizer: Regularizer | None
    direction: Literal["normalized"] | None
    base_lr: float | None
    rounding: Rounding
    state_dtype: torch.dtype | Literal["8bit"] | None
    max_grad_norm: float | None
    ema_decay: float | None
    skip_nonfinite: bool
    engine: Engine | None
    process_group: ProcessGroup | None


class EpsOptions(Options, total=False):
    """And where ε stands: whether inside the root."""

    eps_inside: bool


DEFAULTS: Options = {
    "decay": None,
    "regularizer": None,
    "direction": None,
    "base_lr": None,
    "rounding": "nearest",
    "state_dtype": None,
    "max_grad_norm": None,
    "ema_decay": None,
    "skip_nonfinite": False,
    "engine": None,
    "process_group": None,
}
_FLAGS: dict[str, tuple[Any, Any]] = {
    "foreach": (bool | None, None),
    "maximize": (bool, False),
    "capturable": (bool, False),
    "differentiable": (bool, False),
}
_ELSEWHERE = {
    "learning_rate": "lr",
    "beta1": "betas",
    "beta2": "betas",
    "b1": "betas",
    "b2": "betas",
    "epsilon": "eps",
    "wd": "weight_decay",
    "l2": "weight_decay",
}
"""What other frameworks call it, where no letter of the name would lead to ours."""
_DTYPES = "torch.float32, torch.bfloat16"

Init = TypeVar("Init", bound=Callable[..., None])


def constructor(text: Init) -> Init:
    """An ``__init__`` of which the text is only the signature; ``self._construct(args, keywords)`` is what it does."""

    @wraps(text)
    def init(self: Any, *args: Any, **keywords: Any) -> None:
        self._construct(args, keywords)

    return cast(Init, init)


def is_constructor(init: Any) -> bool:
    """Whether that is an ``__init__`` of ours, and not one whose body somebody wrote."""
    return getattr(init, "__code__", None) == constructor(_nothing).__code__


def _nothing() -> None: ...


def published(init: Any, owner: type, signature: Signature) -> Any:
    """The same constructor as ``owner``'s own: it shows every argument with its type and this class's default."""
    own: Any = constructor(init.__wrapped__)
    own.__module__, own.__qualname__ = owner.__module__, f"{owner.__qualname__}.__init__"
    shown = [Parameter("self", Parameter.POSITIONAL_OR_KEYWORD), *signature.parameters.values()]
    own.__signature__ = signature.replace(parameters=shown, return_annotation=None)
    own.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()} | {"return": None}
    return own


def of_text(init: Any, torch_class: type[torch.optim.Optimizer] | None, base: Signature | None) -> Signature:
    """The written arguments spelled out; of torch's, those that the installed torch has, in its order.

    An option has the default of the base class, where that takes it.
    """
    hints, written = get_type_hints(init), list(inspect.signature(init).parameters.values())[1:]
    options = next((get_args(hints[p.name])[0] for p in written if p.kind is Parameter.VAR_KEYWORD), Options)
    own = {p.name: p.replace(annotation=hints[p.name]) for p in written if p.kind is not Parameter.VAR_KEYWORD}
    if torch_class is not None:
        theirs = inspect.signature(torch_class).parameters.values()
        own = {p.name: p.replace(annotation=own[p.name].annotation) if p.name in own else p for p in theirs}
    inherited = {} if base is None else {p.name: p.default for p in base.parameters.values()}
    return _with_options(list(own.values()), get_type_hints(options), {**DEFAULTS, **inherited})


def of_rule(rule: type[Rule]) -> Signature:
    """``params, lr``, the rule's fields (``betas`` for ``beta1, beta2``), ``weight_decay``, flags and options."""
    settings = {f.name: _default(f) for f in fields(cast(Any, rule))}
    hints = _hints(rule)
    if "beta1" in settings and "beta2" in settings:
        settings = {"betas": (settings.pop("beta1"), settings.pop("beta2")), **settings}
        hints["betas"] = tuple[Scalar, Scalar]
    parameters = [Parameter("params", Parameter.POSITIONAL_OR_KEYWORD, annotation=ParamsT)]
    hints |= {"lr": Scalar, "weight_decay": WeightDecay}
    for name, default in {"lr": 1e-3, **settings, "weight_decay": 0.0}.items():
        kind = Parameter.KEYWORD_ONLY if default is Parameter.empty else Parameter.POSITIONAL_OR_KEYWORD
        parameters.append(Parameter(name, kind, default=default, annotation=hints.get(name, Any)))
    for name, (hint, default) in _FLAGS.items():
        parameters.append(Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=hint))
    return _with_options(sorted(parameters, key=lambda p: p.kind), get_type_hints(Options), DEFAULTS)


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return Parameter.empty if field.default_factory is MISSING else field.default_factory()


def _hints(rule: type[Rule]) -> dict[str, Any]:
    try:
        return get_type_hints(rule)
    except NameError:  # a rule made in a function, whose types nobody else can look up
        return {}


def _with_options(parameters: list[Parameter], options: Mapping[str, Any], defaults: Mapping[str, Any]) -> Signature:
    """The options after the others, a class's own ones before those that all have; among these is always a decay."""
    own = {name: hint for name, hint in options.items() if name not in DEFAULTS}
    if all(p.name != "weight_decay" for p in parameters):
        own["weight_decay"] = WeightDecay
    common = {name: hint for name, hint in options.items() if name in DEFAULTS}
    known = {"weight_decay": 0, **defaults}
    added = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=known.get(name, Parameter.empty), annotation=hint)
        for name, hint in {**own, **common}.items()
    ]
    return Signature([*parameters, *added])


def same_decay_per_step(signature: Signature, decay: Any) -> float:
    """The λ that decays as much per step under this treatment as the default λ under the default one.

    torch's AdamW takes lr·λ = 1e-5 a step; left as 1e-2, its λ would decay a thousandfold in the paper's form.
    """
    λ, lr, own = (signature.parameters[name].default for name in ("weight_decay", "lr", "decay"))
    was_paper, is_paper = (d is not None and named(d).multiplier == "schedule" for d in (own, decay))
    return λ if was_paper == is_paper else λ * lr if is_paper else λ / lr


def with_defaults(name: str, signature: Signature, defaults: Mapping[str, Any]) -> Signature:
    """The same signature with the defaults that a class statement sets. Raises ``TypeError`` for unknown ones."""
    for word in defaults:
        if word not in signature.parameters:
            raise TypeError(f"class {name} sets {word}, but {_no_argument(name, word, signature)}")
    changed = {word: checked(word, value, signature.parameters[word].annotation) for word, value in defaults.items()}
    parameters = [p.replace(default=changed.get(p.name, p.default)) for p in signature.parameters.values()]
    return signature.replace(parameters=parameters)


def check_rule(owner: str, rule: Any) -> None:
    """Raise ``TypeError`` unless ``rule`` is a class of rules and a dataclass."""
    if isinstance(rule, Rule):
        raise TypeError(f"class {owner}: rule={rule!r} is an object; give its class, rule={type(rule).__name__}.")
    if not inspect.isclass(rule):
        raise TypeError(f"class {owner}: rule={rule!r} is not a rule; give a class such as halflife.rules.Adam.")
    if not (issubclass(rule, Rule) and is_dataclass(rule)):
        raise TypeError(
            f"class {owner}: rule={rule.__name__} must be a frozen dataclass that derives from halflife.rules.Rule; "
            "put @dataclass(frozen=True) above it."
        )


def bound(name: str, signature: Signature, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, by name and checked.

    Raises ``TypeError`` for an unknown, a missing or a doubled argument, and what :func:`checked` raises.
    """
    for word in keywords:
        if word not in signature.parameters:
            raise TypeError(_no_argument(name, word, signature))
    places = [p.name for p in signature.parameters.values() if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
    if len(args) > len(places):
        raise TypeError(
            f"too many positional arguments for {name}: {len(args)} were given, and it takes {len(places)} "
            f"({', '.join(places)}); give the others by name."
        )
    try:
        given = signature.bind(*args, **keywords).arguments
    except TypeError as error:
        raise TypeError(f"{name}: {error}.") from None
    return {word: checked(word, value, signature.parameters[word].annotation) for word, value in given.items()}


def check_group(signature: Signature, group: dict[str, Any]) -> None:
    """Check the settings that a parameter group has of its own, as :func:`bound` those of all."""
    for word in group.keys() & signature.parameters.keys() - {"params"}:
        group[word] = checked(word, group[word], signature.parameters[word].annotation)


def _no_argument(name: str, word: str, signature: Signature) -> str:
    near = get_close_matches(word, [*signature.parameters, *_ELSEWHERE], 1)
    known = [ours for ours in (_ELSEWHERE.get(n, n) for n in near) if ours in signature.parameters]
    advice = f"did you mean {known[0]!r}?" if known else f"it takes {', '.join(signature.parameters)}."
    return f"{name} has no argument {word!r}; {advice}"


def checked(name: str, value: Any, hint: Any) -> Any:
    """A setting of that type, with NumPy's numbers as Python's own; a type that is not known here is not looked at.

    Raises ``TypeError`` for what is no number or pair where one is wanted, ``ValueError`` for NaN, for a tensor of
    several elements, a wrong length, an unknown word or what is no flag.
    """
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if value is None and NoneType in kinds:
        return None
    pair = next((kind for kind in kinds if get_origin(kind) is tuple), None)
    words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    if name == "params":
        return _params(value)
    if pair is not None:
        return _pair(name, value, get_args(pair))
    if {float, int} & {*kinds}:
        return _number(name, value, kinds)
    if bool in kinds:
        return _flag(name, value)
    if words and not isinstance(value, tuple(kind for kind in kinds if inspect.isclass(kind))):
        _check_word(name, value, words, kinds)
    return value


def _plain(value: Any) -> Any:
    """NumPy's number as Python's own, which a checkpoint may hold."""
    single = isinstance(value, np.generic | np.ndarray) and np.size(cast(Any, value)) == 1
    return cast(Any, value).item() if single else cast(Any, value)


def _number(name: str, value: Any, kinds: tuple[Any, ...]) -> Any:
    value = _plain(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if isnan(value) and NoneType not in kinds:  # what may be None says its own range
            raise ValueError(f"{name} must be a number, but {value} was given.")
        return value
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ValueError(f"Tensor {name} must be 1-element, but one of shape {tuple(value.shape)} was given.")
        return value
    others = tuple(kind for kind in kinds if inspect.isclass(kind) and kind not in (float, int, bool, NoneType))
    if isinstance(value, others) and not isinstance(value, type):
        return value
    allowed = ["a number", "a 0-d tensor"]
    allowed += ["a schedule of halflife.schedules", "a halflife.HalfLife"] if DecaySpec in kinds else []
    allowed += ["None"] if NoneType in kinds else []
    raise TypeError(f"{name} must be {', '.join(allowed[:-1])} or {allowed[-1]}, but {_said(value)} was given.")


def _pair(name: str, value: Any, kinds: tuple[Any, ...]) -> Any:
    if isinstance(value, str) or not hasattr(value, "__len__"):
        raise TypeError(f"{name} must be a tuple of {len(kinds)} numbers, but {_said(value)} was given.")
    if len(value) != len(kinds):
        raise ValueError(f"{name} must be a tuple of {len(kinds)} numbers, but {value!r} has {len(value)}.")
    items = [checked(f"{name}[{i}]", x, kind) for i, (x, kind) in enumerate(zip(value, kinds, strict=True))]
    return items if isinstance(value, list) else tuple(items)


def _flag(name: str, value: Any) -> Any:
    value = _plain(value)
    if value is None or (isinstance(value, int) and value in (0, 1)):
        return value
    raise ValueError(f"{name} must be True or False, but {_said(value)} was given.")


def _check_word(name: str, value: Any, words: list[Any], kinds: tuple[Any, ...]) -> None:
    if isinstance(value, str) and value in words:
        return
    near = get_close_matches(value.lower(), words, 1) if isinstance(value, str) else []
    objects = [kind for kind in kinds if inspect.isclass(kind) and kind is not NoneType]
    allowed = ["None"] if NoneType in kinds else []
    allowed += [_DTYPES if kind is torch.dtype else f"a halflife.{kind.__name__}" for kind in objects]
    allowed += map(repr, words)
    advice = f"; did you mean {near[0]!r}?" if near else "."
    choices = f"{', '.join(allowed[:-1])} or {allowed[-1]}" if kinds[1:] else f"one of {', '.join(allowed)}"
    raise ValueError(f"{name}={value!r} is not known; choose {choices}{advice}")


def _params(value: Any) -> Any:
    if isinstance(value, torch.nn.Module) and not isinstance(value, torch.nn.ParameterList):
        model = type(value).__name__
        raise TypeError(f"params is a model ({model}); give model.parameters() or halflife.param_groups(model).")
    if inspect.isroutine(value):
        raise TypeError(f"params is the function {value.__name__}; call it: {value.__name__}().")
    if isinstance(value, Mapping):
        raise TypeError(
            "params is a dict; put parameter groups in a list, [{'params': …}], or give a dict's .values()."
        )
    if not isinstance(value, Iterable):
        raise TypeError(f"params must be tensors, (name, tensor) pairs or parameter groups, but {value!r} was given.")
    return cast(Any, value)


def _said(value: Any) -> str:
    return f"{value!r} ({type(value).__name__})"


def check_settings(settings: Mapping[str, Any]) -> None:
    """For what torch's constructors do not see: their conditions on the learning rate, the averages and the decay."""
    for name in settings.keys() & {"lr", "weight_decay", "eps"}:
        if not settings[name] >= 0:
            raise ValueError(f"{name} must be at least 0, but {settings[name]} was given.")
    for index, β in enumerate(settings.get("betas", ())):
        if not 0 <= β < 1:
            raise ValueError(f"betas[{index}] must be at least 0 and below 1, but {β} was given.")
    if settings.get("foreach") and settings.get("differentiable"):
        raise ValueError("foreach=True and differentiable=True exclude each other; leave foreach=None.")


def without_rule(name: str) -> str:
    """What is said of an optimizer that has no rule."""
    return (
        f"{name} has no rule; write class {name}(halflife.Optimizer, rule=MyRule), or derive from a class that has "
        "one, such as halflife.AdamW. An optimizer that computes its own step derives from torch.optim.Optimizer."
    )


def is_torchs(base: type) -> bool:
    """Whether it is one of torch's optimizers, and not one of ours, whose signature is kept."""
    ours = hasattr(base, "_signature")
    return not ours and issubclass(base, torch.optim.Optimizer) and base is not torch.optim.Optimizer
