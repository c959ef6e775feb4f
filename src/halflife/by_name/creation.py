"""One optimizer, made for a model or for parameters by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import ParamsT

from ..catalogue import command_name, rule_of, rule_of_matrices
from ..optim import Optimizer, WeightDecay
from ..optimizers import AdamW
from ..parameters import Pattern, head_of
from ..regularizers import KNOWN, Regularizer, build
from ..rules import Scalar
from ..training import param_groups
from ..training.grouping import NO_DECAY
from ..training.routing import AS_ADAMW, REST
from .names import Settings, letters_of, optimizer_named

IsSpared = Callable[[str, nn.Parameter], bool]
Spared = Sequence[Pattern] | IsSpared
"""What is spared from decay: patterns, or a function of a parameter's name and the parameter."""

OF_BOTH = ("decay", "regularizer", "eps")
"""Settings of a rule of matrices that AdamW takes too where it steps the rest."""


def create_optimizer(
    name: str,
    model_or_params: nn.Module | ParamsT,
    lr: Scalar | None = None,
    weight_decay: WeightDecay | None = None,
    *,
    no_decay: Spared = NO_DECAY,
    layer_decay: float | None = None,
    overrides: Mapping[Pattern, Mapping[str, Any]] | None = None,
    matrix: str | Mapping[str, Any] | None = None,
    head: Pattern | Sequence[Pattern] | None = None,
    **settings: Any,
) -> torch.optim.Optimizer:
    """An optimizer by name, for a model whose biases, norms and embeddings are spared from decay.

    A name may be written in any case, with hyphens, underscores or neither: "prox-adam", "prox_adam", "ProxAdam". It
    means the class, with the class's own defaults: "sgd" is ``SGD`` without momentum and "lion" has λ = 0.1, where
    timm's function adds Nesterov's momentum of 0.9 to the one and sets λ = 0 for both.

    A model is given to ``param_groups``. For "muon", and any rule of matrices alone, its matrices inside are stepped by
    that rule and the rest by AdamW, with the same lr and λ: Muon's steps are scaled to AdamW's. ``decay``,
    ``regularizer`` and ``eps`` are of both; a setting that Muon does not have, such as ``betas``, is AdamW's.
    Parameters without their model are taken as they are.

    Args:
        name: one of ``list_optimizers()``; or timm's "momentum", "nesterov", "nesterovw", "radamw", "adamc", "sgdc" or
            "lionc", which mean one of these under other settings.
        model_or_params: a model; or parameters, (name, parameter) pairs or parameter groups.
        lr: the learning rate; None is the class's default.
        weight_decay: λ, as the class takes it: a number, a schedule, a ``HalfLife``. None is the class's default.
        no_decay: of a model, what gets a λ of 0: patterns as ``param_groups`` has them, or a function of a parameter's
            name and the parameter. () spares nothing.
        layer_decay, overrides: of a model, as in ``param_groups``.
        matrix: of a model, for "adamw" the rule of the matrices inside, as in ``param_groups``; for "muon" a dict of
            settings of its own: ``{"lr": 0.02, "weight_decay": 0.01}``.
        head: of a model, for matrices, patterns of the last layer, which is AdamW's. None where the model tells, by
            ``get_classifier()``, ``get_output_embeddings()``, tied weights or being an ``nn.Sequential``.
        settings: any other of the class. Here ``regularizer`` may be a word, "l1", or a dict with a name,
            ``{"name": "group-lasso", "dim": 0}``, and ``state_dtype`` may be "bfloat16" or "float32": what a
            configuration file can say.

    Returns:
        The optimizer: one of halflife's classes.

    Raises:
        TypeError: for a name that is no string, and for settings that the class does not have.
        ValueError: for an unknown name, with those that are near; for a name of timm's that means another method; for
            options of a model that is not there, a pattern that matches nothing, or a head that cannot be told.

    Example:
        >>> import halflife, torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 2))
        >>> optimizer = halflife.create_optimizer("prox-adam", model, lr=1e-3, regularizer="l1")
        >>> [(group["weight_decay"], group["param_names"]) for group in optimizer.param_groups]
        [(1e-05, ['0.weight', '2.weight']), (0.0, ['0.bias', '1.weight', '1.bias', '2.bias'])]
        >>> muon = halflife.create_optimizer("muon", model, lr=1e-3)
        >>> [(group.get("rule", "Muon"), group["param_names"]) for group in muon.param_groups]
        [('Muon', ['0.weight']), ('Adam', ['0.bias', '1.weight', '1.bias', '2.bias']), ('Adam', ['2.weight'])]
    """
    optimizer, own = optimizer_named(name)
    given = {"lr": lr, "weight_decay": weight_decay}
    settings = in_objects({**own, **settings}) | {word: x for word, x in given.items() if x is not None}
    options: Settings = {"layer_decay": layer_decay, "overrides": overrides, "matrix": matrix, "head": head}
    params: Any = model_or_params
    if isinstance(params, nn.Module) and not isinstance(params, nn.ParameterList):
        params, settings = _groups(optimizer, params, settings, no_decay, options)
        return optimizer(params, **settings)
    options["no_decay"] = None if no_decay is NO_DECAY else no_decay
    for option in (option for option, value in options.items() if value is not None):
        raise ValueError(
            f"{option}= is read from a model's names and modules, and parameters were given; give the model itself, "
            "or groups of halflife.param_groups."
        )
    return optimizer(params, **settings)


def in_objects(settings: Mapping[str, Any]) -> Settings:
    """The same settings, with objects for the words that a configuration file has in their place.

    Args:
        settings: of an optimizer; a ``regularizer`` that is a word or a dict with a name becomes the object, and a
            ``state_dtype`` that is the name of a dtype the dtype.

    Returns:
        A new dict.

    Raises:
        ValueError: for a word that names no regularizer, and for one that needs settings that are not there.

    Example:
        >>> from halflife.by_name import in_objects
        >>> in_objects({"regularizer": "l1", "state_dtype": "bfloat16", "decay": "proximal"})
        {'regularizer': L1(), 'state_dtype': torch.bfloat16, 'decay': 'proximal'}
    """
    found = dict(settings)
    if isinstance(found.get("regularizer"), str | Mapping):
        found["regularizer"] = _regularizer(found["regularizer"])
    if found.get("state_dtype") in ("bfloat16", "float32"):
        found["state_dtype"] = getattr(torch, found["state_dtype"])
    return found


def _regularizer(given: str | Mapping[str, Any]) -> Regularizer:
    spec = {"name": given} if isinstance(given, str) else dict(given)
    names = {letters_of(name): name for name in KNOWN}
    name = names.get(letters_of(str(spec.get("name", ""))))
    if name is None:
        raise ValueError(
            f"regularizer={given!r} is not known; choose one of {', '.join(command_name(x) for x in KNOWN)}, a dict "
            "such as {'name': 'group-lasso', 'dim': 0}, or an object of halflife.regularizers."
        )
    try:
        return build({**spec, "name": name}, KNOWN)
    except TypeError as error:
        raise ValueError(
            f"regularizer={given!r} cannot be made: {error}. Its settings stand beside its name, {{'name': "
            f"'{command_name(name)}', …}}; or give the object, halflife.regularizers.{name}(…)."
        ) from None


def _groups(
    optimizer: type[torch.optim.Optimizer], model: nn.Module, settings: Settings, no_decay: Spared, options: Settings
) -> tuple[list[Settings], Settings]:
    """The model's parameters as groups, and the settings that are left for the optimizer itself."""
    if not issubclass(optimizer, Optimizer):
        return _one_group(model, settings, no_decay, options), settings
    own, rest, rule = signature(optimizer).parameters, Settings(), matrix_rule(optimizer, settings)
    given: Mapping[Pattern, Settings] = options["overrides"] or {}
    overrides = {pattern: in_objects(said) for pattern, said in given.items()}
    if rule or options["matrix"] is not None:
        both = {word: settings[word] for word in (OF_BOTH if rule else OF_BOTH[:2]) if word in settings}
        overrides = {"*": {**both, **overrides.pop("*", {})}, **overrides} if both else overrides
        options["matrix"] = _matrix(optimizer, rule, options["matrix"], settings)
        options["head"] = head_of(model) if options["head"] is None else options["head"]
        rest = {word: settings[word] for word in signature(AdamW).parameters if word in settings and word not in own}
        settings = {word: value for word, value in settings.items() if word not in rest}
    elif options["head"] is not None:
        raise ValueError(
            f"head= is for an optimizer of matrices, which leaves the last layer to AdamW; {optimizer.__name__} steps "
            "all layers: leave it out, or give matrix='muon' with 'adamw'."
        )
    if options["layer_decay"] is not None:
        options["lr"] = settings.get("lr", own["lr"].default)
    options["overrides"] = overrides
    is_spared: Any = no_decay if callable(no_decay) and not isinstance(no_decay, type) else None  # a type is a pattern
    options["no_decay"] = no_decay if is_spared is None else ()
    groups: list[Settings] = param_groups(model, **options)
    for group in groups:
        for word, value in rest.items() if group.get("rule") == REST["rule"] else ():
            group.setdefault(word, value)
    if is_spared is not None:
        groups = [part for group in groups for part in _split(group, is_spared)]
    regularizer = settings.get("regularizer")
    for group in groups if isinstance(regularizer, Regularizer) and not regularizer.constraint else ():
        if group.get("weight_decay") == 0.0:
            group.setdefault("regularizer", None)  # one of blocks need not fit a vector that is spared
    return groups, settings


def matrix_rule(optimizer: type[Optimizer], settings: Settings) -> str:
    """The registered name of an optimizer's rule where that takes matrices alone; empty for all others.

    Args:
        optimizer: the class.
        settings: what it is to be given; those without a default are needed to know its rule.

    Returns:
        A name for ``param_groups(matrix=…)``, or "".

    Example:
        >>> import halflife
        >>> from halflife.by_name import matrix_rule
        >>> matrix_rule(halflife.Muon, {}), matrix_rule(halflife.AdamW, {})
        ('Muon', '')
    """
    own = signature(optimizer).parameters
    needed = {word: settings[word] for word, x in own.items() if x.default is x.empty and word in settings}
    return rule_of_matrices(rule_of(optimizer, **needed))


def _matrix(optimizer: type[Optimizer], rule: str, given: Any, settings: Settings) -> Settings:
    """The settings of the matrices inside, for ``param_groups``; ``rule`` is the optimizer's, if it takes no others."""
    of_mapping = in_objects(dict[str, Any](given)) if isinstance(given, Mapping) else {}  # pyright: ignore[reportUnknownArgumentType]
    if not rule:
        if optimizer is not AdamW:
            raise ValueError(
                f"matrix= sends the matrices to another rule and all else to AdamW, and {optimizer.__name__} was "
                "named; name 'adamw', or give groups of halflife.param_groups whose overrides say the rest's rule."
            )
        return of_mapping or {"rule": given}
    if "rule" in of_mapping or not isinstance(given, Mapping | None):
        raise ValueError(
            f"matrix={given!r} names a rule, and {optimizer.__name__} is one of matrices already; give a dict of its "
            "settings for them, such as {'lr': 0.02}, or leave it out."
        )
    own = {word: settings[word] for word in AS_ADAMW if word in settings}  # or it would be scaled all the same
    return {"rule": rule, **own, **of_mapping}


def _one_group(model: nn.Module, settings: Settings, no_decay: Spared, options: Settings) -> list[Settings]:
    """For LBFGS, which has one group: where nothing decays there is nothing to spare."""
    λ = settings.get("weight_decay", 0.0)
    decays = not (isinstance(λ, int | float) and λ == 0)
    asked = [option for option, value in options.items() if value is not None]
    asked += ["no_decay"] if decays and no_decay not in ((), []) else []
    if asked:
        raise ValueError(
            f"LBFGS has one parameter group, so {asked[0]}= cannot be followed; "
            f"{'give no_decay=() to have all parameters decay' if asked[0] == 'no_decay' else 'leave it out'}, "
            "or take another optimizer."
        )
    return param_groups(model, no_decay=())


def _split(group: Settings, is_spared: IsSpared) -> list[Settings]:
    """The group without what is spared, and that with a λ of 0, which an override wins over."""
    decayed, spared = list[tuple[str, nn.Parameter]](), list[tuple[str, nn.Parameter]]()
    for name, p in zip(group["param_names"], group["params"], strict=True):
        (spared if is_spared(name, p) else decayed).append((name, p))
    return [
        {**own, "params": [p for _, p in members], "param_names": [name for name, _ in members]}
        for own, members in ((group, decayed), ({"weight_decay": 0.0, **group}, spared))
        if members
    ]
