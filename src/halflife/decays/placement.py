"""Where the decay stands: before the rule, or after it, explicit or implicit."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, Protocol

from torch import Tensor

from ..arithmetic import Scalar, axpy

Move = Callable[[Tensor], Tensor]
"""The rule's own step from a point: ``w ↦ w − rate·u``, unless the rule moves in another way."""


class Penalty(Protocol):
    """What a placement asks of a regularizer R."""

    def grad(self, w: Tensor) -> Tensor: ...

    def descend(self, w: Tensor, tau: Scalar) -> Tensor: ...

    def prox(self, y: Tensor, tau: Scalar) -> Tensor: ...


class Placement:
    """No decay: ``w ← move(w)``. The placements below say what they do instead.

    ``before`` may change the gradient that the rule sees. ``after`` makes the new weights of the old ones, the rule's
    direction u, its ``move`` along u and the threshold τ. ``needs`` is what R must have.
    """

    name: ClassVar[str] = "none"
    needs: ClassVar[Literal["nothing", "grad", "prox"]] = "nothing"

    def before(self, w: Tensor, g: Tensor, lam: Scalar, R: Penalty) -> Tensor:
        return g

    def after(self, w: Tensor, u: Tensor, move: Move, tau: Scalar, R: Penalty) -> Tensor:
        return move(w)


class Before(Placement):
    """Coupled: ``g ← g + λ∇R(w)``, then the rule."""

    name = "before"
    needs = "grad"

    def before(self, w: Tensor, g: Tensor, lam: Scalar, R: Penalty) -> Tensor:
        return axpy(g, R.grad(w), lam)


class Explicit(Placement):
    """A gradient step on R at the old weights, then the rule's: ``w ← w − τ∇R(w) − rate·u``."""

    name = "explicit"
    needs = "grad"

    def after(self, w: Tensor, u: Tensor, move: Move, tau: Scalar, R: Penalty) -> Tensor:
        return move(R.descend(w, tau))


class Cautious(Placement):
    """Explicit, but only on the coordinates that the step moves toward zero: where ``u·w ≥ 0``."""

    name = "cautious"
    needs = "grad"

    def after(self, w: Tensor, u: Tensor, move: Move, tau: Scalar, R: Penalty) -> Tensor:
        pull = R.grad(w).masked_fill(u * w < 0, 0.0)
        return move(axpy(w, pull, -tau))


class Implicit(Placement):
    """Proximal: ``w ← prox_{τR}(w − rate·u)``, a gradient step on R taken at the new weights."""

    name = "implicit"
    needs = "prox"

    def after(self, w: Tensor, u: Tensor, move: Move, tau: Scalar, R: Penalty) -> Tensor:
        return R.prox(move(w), tau)


NONE = Placement()
PLACEMENTS: dict[str, Placement] = {p.name: p for p in (Before(), Explicit(), Cautious(), Implicit())}
