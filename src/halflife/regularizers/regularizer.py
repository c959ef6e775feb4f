"""What every regularizer is: a value, a gradient where there is one, a prox where there is one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Literal

from torch import Tensor

from ..arithmetic import Scalar, axpy


class Regularizer(ABC):
    """One function R, a frozen dataclass of its settings.

    ``value(w)`` is a 0-d tensor. ``grad(w)`` is ∇R(w), shaped as w; a regularizer that has none leaves
    ``has_grad`` False. ``prox(y, tau)`` is argmin_x ½‖x−y‖² + τR(x), shaped as y; ``tau`` is a number, a 0-d tensor or,
    for the treatments that measure in the rule's metric, a tensor of one threshold a coordinate.

    ``separable``: R is a sum over coordinates, so any layout of w will do. ``convex``: as it says. ``constraint``: R is
    0 or infinite, so it acts even where λ is 0. ``anchored``: R needs something of the parameter's first value, what
    ``anchor_of`` says, kept in the state: shaped as the parameter, or as its "norm" along some dimensions.
    ``has_metric_prox``: its prox takes a threshold a coordinate.

    Example:
        A regularizer of your own is a frozen dataclass of its settings with a value and a prox:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Ones(halflife.regularizers.Regularizer):  # ½‖w − 1‖²
        ...     def value(self, w):
        ...         return 0.5 * (w - 1).square().sum()
        ...     def prox(self, y, tau):
        ...         return (y + tau) / (1 + tau)
        >>> Ones().prox(torch.tensor([0.0, 3.0]), 1.0)
        tensor([0.5000, 2.0000])
    """

    has_grad: ClassVar[bool] = False
    has_prox: ClassVar[bool] = True
    separable: ClassVar[bool] = True
    convex: ClassVar[bool] = True
    constraint: ClassVar[bool] = False
    anchored: ClassVar[bool] = False
    anchor_shape: ClassVar[Literal["parameter", "norm"]] = "parameter"
    has_metric_prox: ClassVar[bool] = True

    @abstractmethod
    def value(self, w: Tensor) -> Tensor:
        """R(w).

        Args:
            w: the parameter.

        Returns:
            A 0-d tensor.
        """

    def grad(self, w: Tensor) -> Tensor:
        """∇R(w), where ``has_grad`` says that there is one.

        Args:
            w: the parameter.

        Returns:
            The gradient, shaped as ``w``.
        """
        raise NotImplementedError(f"{self!r} has no gradient")

    def descend(self, w: Tensor, tau: Scalar) -> Tensor:
        """A gradient step on R.

        Args:
            w: the parameter.
            tau: τ, how far.

        Returns:
            ``w − τ∇R(w)``.
        """
        return axpy(w, self.grad(w), -tau)

    @abstractmethod
    def prox(self, y: Tensor, tau: Scalar) -> Tensor:
        """argmin over x of ½‖x−y‖² + τR(x).

        Args:
            y: the weights after the rule's step.
            tau: τ at least 0, a number, a 0-d tensor or a tensor of one threshold a coordinate.

        Returns:
            The new weights, shaped as ``y``.
        """

    def anchor_of(self, w: Tensor) -> Tensor:
        """What is kept of the parameter's first value, where R is ``anchored``.

        Args:
            w: the parameter as the first step finds it.

        Returns:
            A copy, or its norms.
        """
        return w.clone()

    def at(self, anchor: Tensor) -> Regularizer:
        """The same function with the parameter's first value filled in.

        Args:
            anchor: what ``anchor_of`` returned.

        Returns:
            The regularizer itself where it is not ``anchored``.
        """
        return self

    def coupled_dims(self, w: Tensor) -> frozenset[int]:
        """The dimensions of w along which R is no sum: a shard must have them whole to be stepped by itself.

        Args:
            w: the parameter.

        Returns:
            The dimensions' numbers; none of a separable R.
        """
        return frozenset() if self.separable else frozenset(range(w.dim()))

    def check(self, w: Tensor) -> None:
        """Raise ``ValueError`` if R cannot be taken of this parameter.

        Args:
            w: the parameter.
        """

    def spec(self) -> dict[str, Any]:
        """The regularizer as plain data, as it is saved in a checkpoint: its name and its settings."""
        settings = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]
        return {"name": type(self).__name__, **settings}


def _plain(setting: Any) -> Any:
    if isinstance(setting, Regularizer):
        return setting.spec()
    if isinstance(setting, tuple):
        return [_plain(part) for part in setting]  # type: ignore[reportUnknownVariableType]
    return setting


def build(spec: Mapping[str, Any], known: Mapping[str, type[Regularizer]]) -> Regularizer:
    """The regularizer that ``spec()`` described.

    Args:
        spec: its name and its settings, as a checkpoint has them.
        known: the classes by name, ``halflife.regularizers.KNOWN`` for instance.

    Returns:
        The regularizer.

    Raises:
        ValueError: for a name that is not among ``known``.

    Example:
        >>> from halflife.regularizers import KNOWN, ElasticNet, build
        >>> spec = ElasticNet(0.3).spec()
        >>> spec
        {'name': 'ElasticNet', 'l1_ratio': 0.3}
        >>> build(spec, KNOWN)
        ElasticNet(l1_ratio=0.3)
    """
    if spec["name"] not in known:
        raise ValueError(
            f"the checkpoint's regularizer {spec['name']!r} is not one of halflife's ({', '.join(known)}); "
            "build the optimizer with that regularizer first, then load."
        )
    settings = {key: _rebuilt(value, known) for key, value in spec.items() if key != "name"}
    return known[spec["name"]](**settings)


def _rebuilt(setting: Any, known: Mapping[str, type[Regularizer]]) -> Any:
    if isinstance(setting, Mapping):
        return build(setting, known)  # type: ignore[reportUnknownArgumentType]
    if isinstance(setting, list):
        return tuple(_rebuilt(part, known) for part in setting)  # type: ignore[reportUnknownVariableType]
    return setting
