"""LBFGS: torch's own, which asks for the loss again and again, with a regularizer that belongs to the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from ..arithmetic import axpy
from ..decays import named
from ..decays.schedule import WeightDecaySchedule
from ..optim.groups import placeholder, regularizer_of, scalar
from ..optim.signature import DEFAULTS
from ..regularizers import Regularizer
from ..rules import Scalar

WHY_NOT = {
    "max_grad_norm": "its line search compares gradients, and one that is clipped is of no function",
    "skip_nonfinite": "its line search asks for the loss several times a step; look at the loss in the closure",
    "ema_decay": "one step of it is many evaluations, of which only the last is a point to keep; average outside",
    "rounding": "its differences of weights are smaller than half-precision numbers can tell",
    "state_dtype": "its history is of differences, which lose their digits in narrow numbers",
    "base_lr": "its decay is part of the loss, which knows no learning rate",
    "engine": "it runs torch's own step",
    "process_group": "its closure has to give the loss and the gradients of all processes",
}


class LBFGS(torch.optim.LBFGS):
    """``torch.optim.LBFGS`` on the loss plus λR(w): the decay can only be part of the loss that it asks for.

    ::

        f(w) = loss(w) + λ·Σ R(w),   ∇f = g + λ∇R(w)
        w ← w − t·H·∇f(w), H from the last differences of w and ∇f, t = lr or from a search

    It has no rule and no direction that another decay could act on: it stands alone in its optimizer, with one group.

    Args:
        params: the parameters, real or complex; one group.
        lr, max_iter, max_eval, tolerance_grad, tolerance_change, history_size, line_search_fn: torch's own.
        weight_decay: λ, a number, a tensor of one element or a schedule of ``halflife.schedules``.
        regularizer: R, one with a gradient; None is ½‖w‖².
        decay: None or "coupled"; it is no choice here.
        refused: what other classes take and this one cannot: clipping, averages, rounding, formats of states, engines.

    Raises:
        ValueError: torch's, and for a regularizer without a gradient or another decay.
        TypeError: for an argument that it does not take, with the reason.

    Source: Nocedal 1980; Liu & Nocedal 1989. ``step(closure)`` returns the first f of the step, with its λR(w).

    Example:
        For a quadratic loss one call of ``step`` finds the least of loss + ½λ‖w‖²: (w − 3) + 0.5·w = 0 at w = 2.
        >>> w = torch.nn.Parameter(torch.zeros(1))
        >>> optimizer = halflife.LBFGS([w], line_search_fn="strong_wolfe", weight_decay=0.5)
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = 0.5 * (w - 3).square().sum()
        ...     loss.backward()
        ...     return loss
        >>> first = optimizer.step(closure)
        >>> round(first.item(), 4), round(w.item(), 4)
        (4.5, 2.0)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: Scalar = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
        *,
        weight_decay: Scalar | WeightDecaySchedule = 0.0,
        regularizer: Regularizer | None = None,
        decay: str | None = None,
        **refused: Any,
    ) -> None:
        _refuse(refused, decay)
        self.regularizer = regularizer_of({"regularizer": regularizer})
        if not self.regularizer.has_grad:
            raise ValueError(
                f"LBFGS follows gradients, and {self.regularizer!r} has none; take one that has, such as L2() or "
                "Huber(), or a proximal optimizer such as halflife.ProxAdam."
            )
        λ = placeholder(weight_decay)
        if not scalar(λ, "weight_decay") >= 0:
            raise ValueError(f"weight_decay must be at least 0, but {λ} was given.")
        super().__init__(params, lr, max_iter, max_eval, tolerance_grad, tolerance_change, history_size, line_search_fn)
        self.defaults["weight_decay"] = self.param_groups[0]["weight_decay"] = λ
        for p in self.param_groups[0]["params"]:
            self.regularizer.check(p)
        if isinstance(weight_decay, WeightDecaySchedule):
            weight_decay.attach(self)

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """One step of at most ``max_iter`` iterations.

        Args:
            closure: clears the gradients, computes the loss, calls ``backward()`` and returns the loss; called often.

        Returns:
            The first loss that it saw, with its λR(w).
        """
        step: Any = torch.optim.LBFGS.step  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        while getattr(step, "hooked", False):  # hooks that torch puts around its own step, and Dynamo around those
            step = step.__wrapped__
        return step(self, lambda: self._regularized(closure))

    def _regularized(self, closure: Callable[[], Any]) -> Any:
        """The closure's loss and gradients, and those of λR."""
        loss, group = closure(), self.param_groups[0]
        λ = scalar(group.get("weight_decay", self.defaults["weight_decay"]), "weight_decay")
        if isinstance(λ, int | float) and λ == 0:
            return loss
        with torch.no_grad():
            for p in group["params"]:
                R, w = self._anchored(p), torch.view_as_real(p) if p.is_complex() else p
                pull = R.grad(w)
                pull = torch.view_as_complex(pull) if p.is_complex() else pull
                g = torch.zeros_like(p) if p.grad is None else p.grad.to_dense() if p.grad.is_sparse else p.grad
                p.grad = axpy(g, pull, λ)
                loss = loss + λ * R.value(w)
        return loss

    def _anchored(self, p: Tensor) -> Regularizer:
        if not self.regularizer.anchored:
            return self.regularizer
        if "anchor" not in self.state[p]:
            self.state[p]["anchor"] = torch.view_as_real(p.detach()).clone() if p.is_complex() else p.detach().clone()
        return self.regularizer.at(self.state[p]["anchor"])

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "regularizer": self.regularizer}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._params, self._numel_cache = self.param_groups[0]["params"], None


def _refuse(given: dict[str, Any], decay: Any) -> None:
    for name, value in given.items():
        if name not in WHY_NOT:
            raise TypeError(f"LBFGS has no argument {name!r}; it takes torch's own, weight_decay and regularizer.")
        if value is not DEFAULTS.get(name) and value != DEFAULTS.get(name):
            raise TypeError(f"LBFGS takes no {name}: {WHY_NOT[name]}. Leave it out, or take another optimizer.")
    if decay is not None and named(decay) != named("coupled"):
        raise ValueError(
            f"decay={decay!r} is not for LBFGS, whose decay is part of the loss that it asks for: leave it None, which "
            "is 'coupled', or take another optimizer."
        )
