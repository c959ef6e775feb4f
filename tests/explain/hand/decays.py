"""Each named treatment once more, with a pencil, for the ridge ½‖w‖²."""

from __future__ import annotations

from collections.abc import Callable

from .sheet import Sheet, Step

Rule = Callable[[Sheet, float], Step]


def coupled(x: Sheet, w: float, g: float, rule: Rule) -> float:
    """g ← g + λw, then the rule."""
    return _end(x, rule(x, x.note("g", g + x.λ * w)), lambda step: step.move(w))


def decoupled(x: Sheet, w: float, g: float, rule: Rule) -> float:
    """w ← (1 − lr·λ)w, and the rule's move."""
    return _shrunk(x, w, rule(x, g), lambda step: x.lr * x.λ)


def independent(x: Sheet, w: float, g: float, rule: Rule) -> float:
    """w ← (1 − ηλ)w, and the rule's move."""
    return _shrunk(x, w, rule(x, g), lambda step: x.η * x.λ)


def corrected(x: Sheet, w: float, g: float, rule: Rule) -> float:
    """w ← (1 − lr·ηλ)w, and the rule's move."""
    return _shrunk(x, w, rule(x, g), lambda step: x.lr * x.η * x.λ)


def cautious(x: Sheet, w: float, g: float, rule: Rule) -> float:
    """w ← (1 − lr·λ)w where u·w ≥ 0, and the rule's move."""
    step = rule(x, g)
    if x.note("u·w", step.u * w) < 0:
        return _end(x, step, lambda step: step.move(w))
    return _shrunk(x, w, step, lambda step: x.lr * x.λ)


def proximal(x: Sheet, w: float, g: float, rule: Rule) -> float:
    """The rule's move, then /(1 + ηλ)."""
    return _divided(x, w, rule(x, g), lambda step: x.η * x.λ)


def proximal_lr(x: Sheet, w: float, g: float, rule: Rule) -> float:
    """The rule's move, then /(1 + lr·λ)."""
    return _divided(x, w, rule(x, g), lambda step: x.lr * x.λ)


def euclidean(x: Sheet, w: float, g: float, rule: Rule) -> float:
    """The rule's move, then /(1 + lr·λ/D)."""
    return _divided(x, w, rule(x, g), lambda step: x.lr * x.λ / step.D)


def _shrunk(x: Sheet, w: float, step: Step, reach: Callable[[Step], float]) -> float:
    τ = x.note("τ", reach(step))
    return _end(x, step, lambda step: step.move((1 - τ) * w))


def _divided(x: Sheet, w: float, step: Step, reach: Callable[[Step], float]) -> float:
    τ = x.note("τ", reach(step))
    return _end(x, step, lambda step: step.move(w) / (1 + τ))


def _end(x: Sheet, step: Step, new: Callable[[Step], float]) -> float:
    w = x.note("w′", new(step))
    step.finish(w)
    return w


DECAYS: dict[str, Callable[[Sheet, float, float, Rule], float]] = {
    "coupled": coupled,
    "decoupled": decoupled,
    "independent": independent,
    "proximal": proximal,
    "proximal_lr": proximal_lr,
    "euclidean": euclidean,
    "corrected": corrected,
    "cautious": cautious,
}
