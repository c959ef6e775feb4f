"""Where the decay stands: before the rule, or after it, explicit or implicit."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, Protocol

from torch import Tensor

from ..arithmetic import Scalar, axpy

Move = Callable[[Tensor], Tensor]
"""The rule's own step from a point: ``w ↦ w − rate·u``, unless the rule moves in another way."""


class Penalty(Protocol):
    """What a placement asks of a regularizer R.

    Example:
        >>> from halflife.decays import NAMED
        >>> R = halflife.regularizers.L1()  # has a prox, and so may be decayed proximally
        >>> w, u = torch.tensor([1.0, 0.1]), torch.zeros(2)
        >>> NAMED["proximal"].place.after(w, u, lambda w: w - 0.1 * u, 0.2, R)
        tensor([0.8000, 0.0000])
    """

    def grad(self, w: Tensor) -> Tensor:
        """∇R(w).

        Args:
            w: the parameter.

        Returns:
            The gradient, shaped as ``w``.
        """
        ...

    def descend(self, w: Tensor, tau: Scalar) -> Tensor:
        """A gradient step on R.

        Args:
            w: the parameter.
            tau: τ, how far.

        Returns:
            ``w − τ∇R(w)``.
        """
        ...

    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        """argmin over x of ½‖x−y‖² + τR(x).

        Args:
            y: the weights after the rule's step.
            tau: τ.

        Returns:
            The new weights.
        """
        ...


class Placement:
    """No decay: ``w ← move(w)``. The placements below say what they do instead.

    ``before`` may change the gradient that the rule sees. ``after`` makes the new weights of the old ones, the rule's
    direction u, its ``move`` along u and the threshold τ. ``needs`` is what R must have.

    Example:
        >>> R, w, u = halflife.regularizers.L2(), torch.ones(1), torch.ones(1)
        >>> for name in ("decoupled", "proximal"):  # (1 − τ)w − 0.1·u and (w − 0.1·u)/(1 + τ)
        ...     place = halflife.decays.NAMED[name].place
        ...     print(name, place.after(w, u, lambda w: w - 0.1 * u, 0.5, R))
        decoupled tensor([0.4000])
        proximal tensor([0.6000])
    """

    name: ClassVar[str] = "none"
    needs: ClassVar[Literal["nothing", "grad", "prox"]] = "nothing"

    def before(self, w: Tensor, g: Tensor, lam: Scalar, R: Penalty) -> Tensor:
        """The gradient that the rule sees.

        Args:
            w: the weights.
            g: their gradient.
            lam: λ.
            R: the regularizer.

        Returns:
            ``g``, unless the decay is coupled.
        """
        return g

    def after(self, w: Tensor, u: Tensor, move: Move, tau: Scalar, R: Penalty) -> Tensor:
        """The new weights.

        Args:
            w: the old ones.
            u: the rule's direction.
            move: the rule's own step from a point, ``w ↦ w − rate·u``.
            tau: τ, λ times its multiplier.
            R: the regularizer.

        Returns:
            The weights after the step and the decay.
        """
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
"""No decay at all."""
PLACEMENTS: dict[str, Placement] = {p.name: p for p in (Before(), Explicit(), Cautious(), Implicit())}
