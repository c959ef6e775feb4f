"""How rule × decay × regularizer reads: the composition of ``halflife/update.py``, in words."""

from __future__ import annotations

from collections.abc import Mapping

from ..decays import NAMED, Decay
from ..rules import Rule
from ..update import check
from .regularizers import REGULARIZERS
from .texts import RegularizerText, RuleText

REACH = {
    "none": "λ",
    "one": "λ",
    "lr": "lr·λ",
    "schedule": "η·λ",
    "lr*schedule": "lr·η·λ",
    "lr*lr": "lr²·λ",
    "lr/metric": "lr·λ/D",
}
"""τ, for each step of a decay."""

COMBINED = ("Sum", "Scaled", "OnSubset")
"""Regularizers made of others, which take what their parts take."""


def before(decay: Decay | None, regularizer: RegularizerText | None = None) -> str:
    """What happens to the gradient before the rule sees it; empty if nothing does. The default is the ridge."""
    if decay is None or decay.placement != "before":
        return ""
    return f"g ← g + λ·{'w' if regularizer is None else regularizer.gradient}"


def after(move: str, decay: Decay | None, regularizer: RegularizerText | None = None, *, flat: bool = False) -> str:
    """The new weight. ``move`` has ``{w}`` where it starts; ``flat`` drops a D that is 1; a decay of None is none."""
    if decay is None or decay.placement == "before":
        return "w ← " + move.format(w="w")
    τ = REACH[decay.multiplier].removesuffix("/D") if flat else REACH[decay.multiplier]
    if decay.placement == "implicit":
        return _implicit(move.format(w="w"), τ, regularizer)
    pull = "w" if regularizer is None else regularizer.gradient
    if decay.placement == "cautious":
        return "w ← " + move.format(w=_bracketed(move, f"w − {τ}·{pull}·[u·w ≥ 0]"))
    start = f"(1 − {τ})·w" if regularizer is None else _bracketed(move, f"w − {τ}·{pull}")
    return "w ← " + move.format(w=start)


def _implicit(moved: str, τ: str, regularizer: RegularizerText | None) -> str:
    if regularizer is None:
        return f"w ← ({moved})/(1 + {τ})"
    return f"w ← prox_τ({moved}),  τ = {τ}"


def _bracketed(move: str, point: str) -> str:
    """Brackets where the move multiplies its starting point."""
    return f"({point})" if not move.startswith("{w}") else point


def one_line(rule: RuleText, decay: Decay | None) -> tuple[str, ...]:
    """The optimizer in one line, its u spelled out; in parts, between which the line may break."""
    whole = after(rule.move.replace("·u", f"·{rule.u}").replace("− u", f"− {rule.u}"), decay, flat=rule.flat)
    return tuple(part for part in (before(decay), whole, rule.given) if part)


def beside(rule: RuleText, decay: Decay) -> str:
    """What the decay makes of the rule's step along u."""
    first = before(decay)
    return (first + ",  " if first else "") + after(rule.move, decay, flat=rule.flat)


def with_regularizer(decay: Decay, regularizer: RegularizerText) -> str:
    """What the decay makes of a step along u, for this regularizer; for a prox, what it makes of y = w − lr·u."""
    if decay.placement == "implicit":
        return f"w ← {regularizer.prox}"
    first, move = before(decay, regularizer), "{w} − lr·u"
    return (first + ",  " if first else "") + after(move, decay, regularizer)


def in_full(rule: RuleText, decay: Decay | None) -> tuple[str, ...]:
    """The optimizer line by line."""
    first = before(decay)
    return (*((first,) if first else ()), *rule.equations, after(rule.move, decay, flat=rule.flat))


def composes(decay: Decay, regularizer: RegularizerText) -> bool:
    """Whether the library takes the two together."""
    try:
        check(Rule, decay, regularizer.example)
    except ValueError:
        return False
    return True


def legality(among: Mapping[str, Decay] = NAMED) -> dict[tuple[str, ...], list[str]]:
    """The regularizers, by the names of the decays ``among`` these that compose with them.

    Those made of others are left out, and those that none composes with.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for name, text in REGULARIZERS.items():
        if name not in COMBINED:
            decays = tuple(decay for decay, named in among.items() if composes(named, text))
            found.setdefault(decays, []).append(name)
    found.pop((), None)
    return found
