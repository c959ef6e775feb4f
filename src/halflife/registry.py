"""The registry of rules: what optimizers, the native engine, ``explain``, benchmarks, the lab and the tests list.

A new rule is its file, one entry here, and its oracle in the tests. A rule of another distribution registers itself, by
``register(RuleEntry(…))`` when it is imported; what an installed distribution names under the entry point
``halflife.rules`` is imported by ``load_plugins``, so that commands find it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from importlib.metadata import entry_points
from typing import Any

from torch import Tensor

from . import rules
from .rules import Rule

Group = Mapping[str, Any]
Variants = tuple[Mapping[str, Any], ...]
RuleFactory = Callable[[Group], Rule]
"""A parameter group's settings, torch's flags among them, as a rule."""


@dataclass(frozen=True)
class RuleEntry:
    """A rule and what is known of it by lists.

    Args:
        rule: its class.
        factory: makes the rule of a parameter group's settings; it is called whenever they changed.
        variants: settings of the optimizer, the defaults first, that between them reach all of the rule's equations:
            the tables run each.

    Example:
        >>> from halflife.registry import RuleEntry, by_fields
        >>> RuleEntry(halflife.rules.Lion, by_fields(halflife.rules.Lion)).name
        'Lion'
    """

    rule: type[Rule]
    factory: RuleFactory
    variants: Variants = ({},)

    @property
    def name(self) -> str:
        """The class's name."""
        return self.rule.__name__


def by_fields(rule: type[Rule]) -> RuleFactory:
    """The factory of a rule whose fields stand in the group under their own names, ``betas`` for ``beta1, beta2``.

    Args:
        rule: the class.

    Returns:
        A function from a group's settings to the rule.

    Example:
        >>> from halflife.registry import by_fields
        >>> by_fields(halflife.rules.Lion)({"betas": (0.9, 0.95), "lr": 1e-4})
        Lion(beta1=0.9, beta2=0.95)
    """
    names = [f.name for f in fields(rule)]  # type: ignore[arg-type]
    paired = "beta1" in names and "beta2" in names

    def factory(group: Group) -> Rule:
        own = dict(zip(("beta1", "beta2"), _betas(group), strict=True)) if paired else {}
        return rule(**{name: own[name] if name in own else group[name] for name in names})

    return factory


def _betas(group: Group) -> tuple[Any, Any]:
    β1, β2 = (β.squeeze() if isinstance(β, Tensor) else β for β in group["betas"])
    return β1, β2


def _eps_place(group: Group) -> Any:
    return "inside" if group.get("eps_inside") else "outside"


def _sgd(group: Group) -> Rule:
    momentum_type = "plain" if group["momentum"] == 0 else "nesterov" if group["nesterov"] else "momentum"
    return rules.SGD(group["momentum"], group["dampening"], momentum_type)


def _rmsprop(group: Group) -> Rule:
    momentum_type = "momentum" if group["momentum"] > 0 else "plain"
    moment = "centered" if group["centered"] else "raw"
    numbers = group["alpha"], group["eps"], group["momentum"]
    return rules.RMSprop(*numbers, momentum_type, moment, _eps_place(group))


def _adam(group: Group) -> Rule:
    bound = "max" if group["amsgrad"] else "none"
    return rules.Adam(*_betas(group), group["eps"], bound, _eps_place(group))


def _adafactor(group: Group) -> Rule:
    ε1, ε2 = group["eps"]
    return rules.Adafactor(group["beta2_decay"], ε1, ε2, group["d"])


def _muon(group: Group) -> Rule:
    return rules.Muon(
        momentum=group["momentum"],
        momentum_type="nesterov" if group["nesterov"] else "momentum",
        coefficients=tuple(group["ns_coefficients"]),
        eps=group["eps"],
        steps=group["ns_steps"],
        scale=_word(group, "adjust_lr_fn", "original", "match_rms_adamw", "spectral_unclamped"),
        matrices=_word(group, "matrices", "as they are", "flattened", "stacked"),
        precision=_word(group, "ns_precision", "bfloat16", "float32", "float64"),
        form=_word(group, "ns_form", "quintic", "gram"),
    )


def _word(group: Group, name: str, *known: Any) -> Any:
    """What the group says of a choice; the first of the known where it says nothing."""
    word = group.get(name) or known[0]
    if word not in known:
        raise ValueError(f"{name}={word!r} is not known; choose one of {', '.join(map(repr, known))}.")
    return word


def _rprop(group: Group) -> Rule:
    return rules.Rprop(*group["etas"], *group["step_sizes"])


_SGD: Variants = {}, {"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.5}, {"momentum": 0.9, "nesterov": True}
_RMSPROP: Variants = (
    {},
    {"momentum": 0.9},
    {"centered": True},
    {"momentum": 0.5, "centered": True, "alpha": 0.9},
    {"eps_inside": True, "eps": 1e-2},
)
_ADAM: Variants = (
    {},
    {"amsgrad": True, "betas": (0.5, 0.6)},
    {"eps_inside": True, "eps": 1e-2},
    {"betas": (0.5, 0.9)},
)
_RADAM: Variants = {}, {"betas": (0.8, 0.99)}, {"betas": (0.8, 0.65)}  # ρ passes 5; at once; stays between 4 and 5

_MUON: Variants = (  # in bfloat16 no table of equations could tell one from another
    {"ns_precision": "float64"},
    {"ns_precision": "float64", "nesterov": False, "momentum": 0.8, "ns_steps": 3},
    {"ns_precision": "float64", "adjust_lr_fn": "match_rms_adamw", "ns_coefficients": (2.0, -1.5, 0.5)},
    {"ns_precision": "float64", "adjust_lr_fn": "spectral_unclamped", "ns_form": "gram"},
)

_entries: dict[type[Rule], RuleEntry] = {}


def register(entry: RuleEntry) -> None:
    """List a rule, so that optimizers, commands and tables know it.

    Args:
        entry: the rule's entry.

    Raises:
        ValueError: if another rule of that name is listed already.

    Example:
        >>> from halflife.registry import entry_of, register
        >>> register(entry_of(halflife.rules.Adam))  # what is listed already may be listed again
    """
    other = next((e for e in _entries.values() if e.name == entry.name and e.rule is not entry.rule), None)
    if other is not None:
        raise ValueError(
            f"a rule called {entry.name} is registered already, by {other.rule.__module__}; give that of "
            f"{entry.rule.__module__} another name."
        )
    _entries[entry.rule] = entry


for _entry in (
    RuleEntry(rules.SGD, _sgd, _SGD),
    RuleEntry(rules.ASGD, by_fields(rules.ASGD), ({"lambd": 1e-2}, {"lambd": 1e-2, "alpha": 0.5, "t0": 5})),
    RuleEntry(
        rules.Adagrad,
        by_fields(rules.Adagrad),
        ({}, {"lr_decay": 0.1}, {"initial_accumulator_value": 0.3, "eps": 1e-3}),
    ),
    RuleEntry(rules.Adadelta, by_fields(rules.Adadelta), ({}, {"rho": 0.5, "eps": 1e-3})),
    RuleEntry(rules.RMSprop, _rmsprop, _RMSPROP),
    RuleEntry(rules.Adam, _adam, _ADAM),
    RuleEntry(rules.NAdam, by_fields(rules.NAdam), ({}, {"momentum_decay": 0.1, "betas": (0.8, 0.9)})),
    RuleEntry(rules.RAdam, by_fields(rules.RAdam), _RADAM),
    RuleEntry(rules.Adamax, by_fields(rules.Adamax), ({}, {"betas": (0.5, 0.7), "eps": 1e-2})),
    RuleEntry(rules.Rprop, _rprop, ({}, {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.1)})),
    RuleEntry(rules.Adafactor, _adafactor, ({}, {"beta2_decay": -0.5, "d": 1.5, "eps": (1e-3, 0.5)})),
    RuleEntry(rules.SparseAdam, by_fields(rules.SparseAdam), ({}, {"betas": (0.5, 0.7), "eps": 1e-2})),
    RuleEntry(rules.Muon, _muon, _MUON),
    RuleEntry(rules.Lion, by_fields(rules.Lion), ({}, {"betas": (0.5, 0.8)})),
):
    register(_entry)


def entries() -> tuple[RuleEntry, ...]:
    """All that are registered now, ours first.

    Returns:
        The entries.

    Example:
        >>> from halflife.registry import entries
        >>> [entry.name for entry in entries()][:4]
        ['SGD', 'ASGD', 'Adagrad', 'Adadelta']
    """
    return tuple(_entries.values())


def entry_of(rule: type[Rule]) -> RuleEntry | None:
    """The entry of exactly this class; a class that derives from it is another rule.

    Args:
        rule: the class.

    Returns:
        The entry, or None.

    Example:
        >>> from halflife.registry import entry_of
        >>> entry_of(halflife.rules.Adam).name
        'Adam'
    """
    return _entries.get(rule)


def entry_named(name: str) -> RuleEntry:
    """The entry of that name.

    Args:
        name: the rule's, in any case.

    Returns:
        The entry.

    Raises:
        KeyError: with all names, for another.

    Example:
        >>> from halflife.registry import entry_named
        >>> entry_named("nadam").rule is halflife.rules.NAdam
        True
    """
    found = next((entry for entry in _entries.values() if entry.name.lower() == name.lower()), None)
    if found is None:
        raise KeyError(
            f"no rule called {name!r} is registered; there are {', '.join(e.name for e in _entries.values())}"
        )
    return found


def load_plugins() -> None:
    """Import what installed distributions name under the entry point ``halflife.rules``: a module that registers."""
    for point in entry_points(group="halflife.rules"):
        point.load()
