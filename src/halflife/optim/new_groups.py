"""What a group says when it is added: its own settings, the optimizer's, and those of a rule that it names itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from inspect import Signature
from typing import Any, NamedTuple

from ..decays import named
from ..decays.schedule import WeightDecaySchedule
from ..registry import RuleEntry, RuleFactory, entries, entry_named
from ..rules import Normalized, Rule
from .groups import GLOBAL, DecaySpec, Group, resolved, scalar, shared
from .signature import DEFAULTS, check_group, of_rule, same_decay_per_step

FLAGS = ("maximize", "foreach", "capturable", "differentiable", "fused")
SHARED = frozenset({"lr", "weight_decay", *DEFAULTS, *FLAGS}) - {"process_group"}
"""Settings that mean the same whatever the rule; every other one is its rule's own."""

NO_SETTINGS = frozenset({"params", "process_group"})
_signatures: dict[type[Rule], list[Signature]] = {}
_treatments: dict[str, tuple[str, Any]] = {}


def note_optimizer(name: str, rule: type[Rule], signature: Signature) -> None:
    """Remember an optimizer: a group of its rule under its decay has its arguments and defaults."""
    _signatures.setdefault(rule, []).append(signature)
    _treatments[name.lower()] = rule.__name__, signature.parameters["decay"].default


class GroupRule(NamedTuple):
    """The rule that a group names, and the arguments of its optimizer."""

    entry: RuleEntry
    signature: Signature

    @classmethod
    def of(cls, group: Group) -> GroupRule | None:
        """None for a group that names none. Raises ``ValueError`` for a name that no rule is registered under."""
        given = group.get("rule")
        if given is None:
            return None
        name = given.__name__ if isinstance(given, type) else str(given)
        try:
            entry = entry_named(name)
        except KeyError:
            rule, decay = _treatments.get(name.lower(), (None, None))
            also = f"{name} is rule={rule!r} with decay={decay or 'coupled'!r}; " if rule else ""
            known = ", ".join(repr(entry.name) for entry in entries())
            raise ValueError(f"rule={name!r} is no registered rule; {also}choose one of {known}.") from None
        return cls(entry, _signature_of(entry.rule, group.get("decay")))

    @property
    def own(self) -> frozenset[str]:
        """The settings that are the rule's own."""
        return frozenset(self.signature.parameters) - SHARED - NO_SETTINGS

    def fill(self, group: Group, given: Mapping[str, Any], of_optimizer: Signature) -> None:
        """Add what the group does not say itself: of what rules share, what the optimizer was ``given``; all else by
        this rule's defaults.

        Raises ``ValueError`` for a setting of the optimizer's own rule that this one does not have.
        """
        foreign = group.keys() & of_optimizer.parameters.keys() - self.signature.parameters.keys() - SHARED
        for name in sorted(foreign - NO_SETTINGS):
            raise ValueError(
                f"a parameter group of the rule {self.entry.name} sets {name!r}, which that rule does not have; "
                f"of its own it has {', '.join(sorted(self.own)) or 'none'}."
            )
        default = {name: parameter.default for name, parameter in self.signature.parameters.items()}
        common = {name: x for name, x in given.items() if name in SHARED and x is not None}
        treatment = group.get("decay") or common.get("decay") or default["decay"]
        default["weight_decay"] = same_decay_per_step(self.signature, treatment)
        for name, value in {**default, **common, "decay": treatment}.items():
            if name not in NO_SETTINGS and name not in GLOBAL:
                group.setdefault(name, value)
        group["decay"], group["rule"] = treatment, self.entry.name

    def keep_own(self, group: Group, defaults: Mapping[str, Any]) -> None:
        """Delete what was added of the optimizer's own rule."""
        for name in defaults.keys() - self.signature.parameters.keys() - SHARED:
            group.pop(name, None)


@dataclass(frozen=True)
class GroupDefaults:
    """What a group of an optimizer says where it says nothing: ``given`` are the names of what its constructor was
    given, ``extra`` its settings beyond torch's."""

    rule: type[Rule]
    signature: Signature
    given: frozenset[str]
    extra: Mapping[str, Any]

    def complete(
        self, group: Group, defaults: Mapping[str, Any], late_decay: Any, others: list[Group]
    ) -> tuple[GroupRule | None, Any]:
        """Fill in a new group; the rule that it names, and its λ as it was given: a schedule or a time too.

        Raises ``TypeError`` or ``ValueError`` for a setting that is none.
        """
        named, common = GroupRule.of(group), {**defaults, **self.extra}
        if named is not None and named.entry.rule is self.rule:
            named = None
            del group["rule"]
        check_group(self.signature if named is None else named.signature, group)
        λ = group.get("weight_decay", late_decay or defaults.get("weight_decay"))
        if named is not None:
            named.fill(group, {name: common[name] for name in self.given & common.keys()}, self.signature)
        elif "weight_decay" not in self.given and "decay" in group:
            group.setdefault("weight_decay", same_decay_per_step(self.signature, group["decay"]))
        for name, value in {**self.extra, **shared(others)}.items():
            if named is None or name in GLOBAL:
                group.setdefault(name, value)
        if named is None and group.get("decay") is None:
            group["decay"] = self.extra["decay"]
        if isinstance(λ, WeightDecaySchedule):
            group["weight_decay"] = λ.value
        elif isinstance(λ, DecaySpec):
            group["weight_decay"] = resolved(λ, {**(defaults if named is None else {}), **group})
        scalar(group.get("weight_decay", 0.0), "weight_decay")
        return named, λ


def _signature_of(rule: type[Rule], decay: Any) -> Signature:
    """The arguments of the first optimizer of this rule and decay, or of this rule."""
    known = _signatures.get(rule) or [of_rule(rule)]
    if decay is None:
        return known[0]
    own = ((s, s.parameters["decay"].default) for s in known)
    return next((s for s, default in own if default is not None and named(default) == named(decay)), known[0])


def required_settings(group: Group, own: Collection[str]) -> Collection[str]:
    """What a saved group must say: the settings of the rule that this one names, or the optimizer's ``own``."""
    named = GroupRule.of(group)
    return own if named is None else {"lr", "weight_decay", *named.own}


def by_group(own: RuleFactory) -> RuleFactory:
    """The factory that makes a group's rule: the one that it names, or the optimizer's ``own``, normalized or not."""

    def factory(group: Mapping[str, Any]) -> Rule:
        name = group.get("rule")
        rule = own(group) if name is None else entry_named(name).factory(group)
        direction = group.get("direction")
        if direction not in (None, "normalized"):  # written into the group after it was made
            raise ValueError(f"direction={direction!r} is not known; choose None or 'normalized'.")
        return rule if direction is None else Normalized(rule)

    return factory


class RuleGroup(dict[str, Any]):
    """A parameter group that names its rule, in which torch's schedulers find its momentum.

    ``cycle_momentum`` of OneCycleLR and CyclicLR moves "betas" or "momentum" in all groups, by what the optimizer's
    own rule has; here the one stands for the other.
    """

    def __missing__(self, name: str) -> Any:
        if name == "betas" and "momentum" in self:
            return (self["momentum"],)
        if name == "momentum" and "betas" in self:
            return self["betas"][0]
        raise KeyError(self._lacks(name))

    def __setitem__(self, name: str, value: Any) -> None:
        if name in ("betas", "momentum") and name not in self:
            if "betas" not in self and "momentum" not in self:
                raise ValueError(self._lacks(name))
            if name == "betas":
                name, value = "momentum", value[0]
            else:
                name, value = "betas", (value, *self["betas"][1:])
        super().__setitem__(name, value)

    def __reduce__(self) -> Any:
        return type(self), (dict(self),)  # a copy is no scheduler, which sets one name after the other

    def _lacks(self, name: str) -> str:
        return (
            f"a parameter group is stepped by the rule {self.get('rule')}, which has no {name!r}; a scheduler that "
            "moves it takes cycle_momentum=False."
        )
