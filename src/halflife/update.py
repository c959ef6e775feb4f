"""The heart: what may be composed with what, and the four lines that do it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .decays import NAMED, NONE, Decay, Placement
from .regularizers import Regularizer
from .rules import Rule, Scalar, State


@dataclass(frozen=True)
class Update:
    """One optimizer: rule × decay × regularizer. Calling it makes one step and changes nothing in place.

    ::

        g       = place.before(w, g, λ, R)
        u, D, s = rule(t, w, g, s)
        τ       = scale(lr, η, D)·λ
        w       = place.after(w, u, move, τ, R)          # move(w) = w − rate·u

    ``t`` counts from 1, and the rule's scalars in ``s`` have been moved on with it (``rule.tick``). ``lr`` is the
    learning rate in force, ``eta`` its schedule's multiplier lr/α, ``lam`` the weight decay λ; each a float, a 0-d
    tensor or one that broadcasts (a grid of replicas). Returns the new weights and the states that changed.
    Raises ``ValueError`` at construction for a decay that the rule or the regularizer cannot follow.
    """

    rule: Rule
    decay: Decay
    regularizer: Regularizer

    def __post_init__(self) -> None:
        check(self.rule, self.decay, self.regularizer)

    def __call__(
        self, t: Scalar, w: Tensor, g: Tensor, s: State, *, lr: Scalar, eta: Scalar, lam: Scalar
    ) -> tuple[Tensor, State]:
        rule, λ = self.rule, lam
        place, R = self.placed(λ), self._anchored(s)
        g = place.before(w, g, λ, R)
        u, D, new = rule(t, w, g, s)
        τ = self.decay.scale(lr, eta, D) * λ
        rate = rule.rate(lr, t, s)
        w = place.after(w, u, lambda point: rule.move(point, u, rate), τ, R)
        return w, {**new, **rule.finish(lr, t, w, s)}

    def placed(self, lam: Scalar) -> Placement:
        """The placement, or none where λ is the number 0, so that no decay means none: not even 0·∞."""
        off = isinstance(lam, int | float) and lam == 0 and not self.regularizer.constraint
        return NONE if off else self.decay.place

    def _anchored(self, s: State) -> Regularizer:
        return self.regularizer.at(s["anchor"]) if self.regularizer.anchored else self.regularizer

    def __str__(self) -> str:
        return f"{self.rule} × {self.decay} × {self.regularizer}"


def check(rule: Rule | type[Rule], decay: Decay, regularizer: Regularizer) -> None:
    """Raise ``ValueError``, naming what would compose, if rule or regularizer lack what the decay needs.

    A rule's metric is declared by its class, so that the class answers for all that are made of it.
    """
    problem = _problem(rule, decay, regularizer)
    if problem:
        legal = [name for name, cell in NAMED.items() if not _problem(rule, cell, regularizer)]
        works = f"these treatments work: {', '.join(map(repr, legal))}" if legal else "no treatment works with the two"
        raise ValueError(f"decay '{decay}' does not compose with {problem}; {works}.")


def _problem(rule: Rule | type[Rule], decay: Decay, regularizer: Regularizer) -> str | None:
    needs = decay.place.needs
    if needs == "grad" and not regularizer.has_grad:
        return f"{regularizer!r}, which has no gradient"
    if needs == "prox" and not regularizer.has_prox:
        return f"{regularizer!r}, which has no prox in closed form"
    if needs == "grad" and decay.needs_metric and not regularizer.separable:
        return f"{regularizer!r}, which is not separable, so it takes one threshold for a whole block"
    if needs == "prox" and decay.needs_metric and not regularizer.has_metric_prox:
        return f"{regularizer!r}, which has no prox in closed form with a threshold for each coordinate"
    if decay.needs_metric and rule.metric is None:
        name = rule.__name__ if isinstance(rule, type) else type(rule).__name__
        return f"the rule {name}, which has no diagonal metric to divide the threshold by"
    return None
