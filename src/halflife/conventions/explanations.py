"""Why a conversion is exact, approximate or impossible: the sentences."""

from __future__ import annotations

from collections.abc import Iterator

from .convention import Convention, Settings
from .effective_update import effective_order

FACTORS = {"lr": "lr·λ", "schedule": "η·λ", "one": "λ", "lr*schedule": "lr·η·λ", "lr*lr": "lr²·λ"}
ORDERS = {
    "before": "before the step",
    "after": "after the step",
    "proximal": "by a proximal step",
    "coupled": "in the gradient",
}
EPSILONS = {
    "standard": "beside √v̂",
    "uncorrected": "beside the uncorrected √v",
    "clamped": "as a floor, max(√v̂, ε)",
    "floored": "beside √(v + 1e-15)",
}
RULES = {
    "adam": "Adam",
    "nadam-timm": "timm's NAdam",
    "nadam-optax": "optax's NAdam",
    "sgd": "SGD",
    "lion": "Lion",
    "muon": "Muon",
}


def impossibility(source: Convention, target: Convention, given: Settings, moves: bool) -> str | None:
    """Why no numbers of the target do what the source does, if none do; ``moves``: whether lr changes in the run."""
    if source is target:
        return None
    for convention in (source, target):
        if convention.beyond:
            return f"{convention} has no λ that another optimizer could take, for {convention.beyond}"
    if source.rule != target.rule:
        return f"{source} takes {RULES[source.rule]}'s steps and {target} takes {RULES[target.rule]}'s"
    if given.weight_decay > 0:
        coupled = [effective_order(c, given.momentum) == "coupled" for c in (source, target)]
        if coupled[0] != coupled[1]:
            return _coupled(source, source if coupled[0] else target)
    if source.lr_place != target.lr_place and given.momentum > 0 and moves:
        inside = source if source.lr_place == "inside" else target
        return (
            f"{inside} keeps lr inside the momentum, which remembers the old learning rates, and the other does not; "
            "at a constant lr, or without momentum, they are the same"
        )
    return None


def _coupled(source: Convention, inner: Convention) -> str:
    if source.rule == "sgd":
        return (
            f"{inner}'s λw goes through the momentum, which spreads it over later steps (about 1/(1 − μ) times as much "
            "in the end); without momentum the two are the same"
        )
    if source.rule == "muon":
        return (
            f"{inner} adds λw to the gradient, so that it goes through the momentum and is orthogonalized with it: "
            "what it removes depends on the gradients, and the whole step has one size whatever λ"
        )
    return (
        f"{inner} adds λw to the gradient, so that it goes through the moments and is divided by √v̂: what it removes "
        "depends on the gradients and differs from weight to weight"
    )


def explanation(source: Convention, target: Convention, exact: bool, each_step: bool) -> str:
    """The sentence for numbers that are exact, or not, and one on what each parameter's are multiplied by."""
    if source is target:
        return "Exact: it is the same convention."
    words = [_explanation(source, target, exact, each_step)]
    for c in (source, target):
        if c.multiples:
            words.append(
                f"These are the numbers of a parameter that {c} multiplies by 1; {c.multiples.words}: convert that by "
                "its own."
            )
    return " ".join(words)


def _explanation(source: Convention, target: Convention, exact: bool, each_step: bool) -> str:
    differing = "; ".join(differences(source, target))
    if exact:
        return f"Exact: {differing}; the numbers make up for it." if differing else "Exact: both make the same update."
    if each_step:
        return (
            f"Approximate: {differing}; constant numbers cannot follow that, but set anew at each step they do exactly."
        )
    return f"Approximate: {differing}; no numbers make up for it exactly."


def differences(source: Convention, target: Convention) -> Iterator[str]:
    """What differs between two conventions of one rule."""
    removed = [FACTORS[c.factor] + ("/√steps" if c.amount == "normalized" else "") for c in (source, target)]
    if "coupled" not in (source.order, target.order) and removed[0] != removed[1]:
        yield f"{source} removes {removed[0]} of a weight in a step, {target} {removed[1]}"
    if source.order != target.order:
        yield f"{source} decays {ORDERS[source.order]}, {target} {ORDERS[target.order]}"
    if source.eps != target.eps:
        said = [EPSILONS[c.eps].replace("√v̂", _beside(c)) for c in (source, target)]
        yield f"{source}'s ε stands {said[0]}, {target}'s {said[1]}"
    if source.bias != target.bias:
        raw, other = (source, target) if source.bias == "raw" else (target, source)
        yield f"{raw} leaves the moments' bias in, {other} corrects it"
    if source.lr_place != target.lr_place:
        yield f"{source} keeps lr {source.lr_place} the momentum, {target} {target.lr_place}"


def growth_of_difference(source: Convention, target: Convention, moves: bool) -> str:
    """How the difference grows, for what constant numbers cannot follow; ``moves``: whether lr changes in the run."""
    found: list[str] = []
    if moves and source.factor != target.factor:
        found.append("O(Σx), first order in what is removed over the run")
    if moves and source.order != target.order:
        found.append("O(x), first order in what is removed in one step")
    if source.bias != target.bias:
        found.append("O(β₁ᵗ + β₂ᵗ)")
    if source.eps != target.eps:
        fades = {source.eps, target.eps} == {"standard", "uncorrected"}
        D = _beside(source)
        found.append(f"O(ε/{D}){', fading as β₂ᵗ' if fades else ''}, so little where {D} is far above ε")
    return "; ".join(found)


def _beside(convention: Convention) -> str:
    return "‖v‖" if convention.rule == "muon" else "√v̂"
