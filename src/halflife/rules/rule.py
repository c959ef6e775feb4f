"""What every rule is: a gradient's way to a direction u and the metric D it was measured in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, ClassVar, Literal, NamedTuple
from warnings import warn

import torch
from torch import Tensor

from ..arithmetic import Scalar, axpy

State = Mapping[str, Tensor]
"""A rule's states by their names, as a step finds them or leaves them."""
Start = Mapping[str, Tensor | float]


class StateSpec(NamedTuple):
    """One of a rule's states: its name, as torch names it, and what is known of it beforehand.

    Args:
        name: the key in the optimizer's state.
        shape: as the parameter's; a number for each of its "rows" (…, A, 1) or "columns" (…, 1, B) or "one" (1, …, 1),
            kept in the numbers that are computed with; or a "scalar" of the clock.
        sign: "never negative" states need no sign bit in 8-bit codes.
        begins: with a first value, before the first step, or with the first gradient, which it is made of: until then
            the rule does not find it in ``s``.
        of: parameters of two dimensions and more ("matrices"), of one or none ("vectors"), or all.

    Example:
        >>> from halflife.rules import StateSpec
        >>> StateSpec("row_var", "rows").shape_of(torch.empty(4, 3))
        (4, 1)
    """

    name: str
    shape: Literal["parameter", "rows", "columns", "one", "scalar"] = "parameter"
    sign: Literal["any", "never negative"] = "any"
    begins: Literal["before the first step", "with the first gradient"] = "before the first step"
    of: Literal["all", "matrices", "vectors"] = "all"

    def shape_of(self, p: Tensor) -> tuple[int, ...]:
        """Its own shape for such a parameter.

        Args:
            p: the parameter.

        Returns:
            The shape, () for a scalar.
        """
        shape = tuple(p.shape)
        if self.shape == "rows":
            return (*shape[:-1], 1)
        if self.shape == "columns":
            return (*shape[:-2], 1, *shape[-1:])
        return shape if self.shape == "parameter" else (1,) * len(shape) if self.shape == "one" else ()

    def is_of(self, p: Tensor) -> bool:
        """Whether such a parameter has it.

        Args:
            p: the parameter.

        Returns:
            True unless ``of`` says that it is for parameters of other dimensions.
        """
        return self.of == "all" or (p.dim() > 1) == (self.of == "matrices")


States = tuple[StateSpec, ...]
"""What a rule declares of its states."""


class Rule(ABC):
    """One paper: ``u, D, s = rule(t, w, g, s)``, a pure function of its arguments.

    A rule is a frozen dataclass of its hyper-parameters (floats or 0-d tensors) and knows neither the learning rate,
    nor weight decay, nor mutation. ``w``, ``g`` and the per-coordinate states have the parameter's shape; the scalars
    named in ``scalars`` and the step count ``t`` (from 1) are floats or 0-d tensors. ``D`` is the diagonal metric (the
    denominator), 1.0 where that is the identity.

    Declared, never found out by trying: ``states``, which it keeps; ``acts_on``, "coordinates" if each is for itself,
    so that a tensor may be cut anywhere, "matrices" if those of one shape gain by being stepped together, else
    "tensors"; ``metric``, None where there is no diagonal one by which a threshold could be divided; ``check``, which
    parameters it takes; ``counts_steps``, and ``step_count``, as what a state_dict has that number; ``sparse``, what it
    does with sparse gradients ("required": it takes no others); ``functor``, its name in the native library, which
    reads its fields in their order.

    A rule for "matrices" has its way from what it averages to u in ``direction(v)``, alone with what it needs of the
    whole: of matrices that lie on several processes v is gathered for that, and nothing else.

    What torch's optimizers need beyond that: ``tick`` moves a scalar on with the clock before the rule reads it
    (NAdam), ``rate`` replaces the learning rate (ASGD, Adagrad, Rprop), ``move`` takes the step (ASGD shrinks w on the
    way) and ``finish`` sees the new weights (ASGD's average).

    Example:
        A rule is called by itself, with the step's number, the weights, the gradient and the states:
        >>> rule, w, g = halflife.rules.Adam(), torch.zeros(2), torch.tensor([0.5, -100.0])
        >>> u, D, states = rule(1, w, g, rule.start(w, lr=0.1))
        >>> u, D
        (tensor([ 1., -1.]), tensor([  0.5000, 100.0000]))
        >>> sorted(states)
        ['exp_avg', 'exp_avg_sq']
    """

    acts_on: ClassVar[Literal["coordinates", "matrices", "tensors"]] = "tensors"
    metric: ClassVar[Literal["identity", "diagonal"] | None] = "diagonal"
    functor: ClassVar[str | None] = None
    counts_steps: ClassVar[bool] = True
    step_count: ClassVar[Literal["tensor", "int"]] = "tensor"
    sparse: ClassVar[Literal["refused", "whole", "touched", "required"]] = "refused"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "start" in vars(cls) and cls.states is Rule.states:
            warn(
                f"{cls.__name__} gives its states by start() alone; declare them by the property `states`, as "
                "halflife.rules.Adam does. Without it this will be an error in the next release.",
                DeprecationWarning,
                stacklevel=2,
            )
            cls.states = property(_states_of_start)  # type: ignore[method-assign]

    @property
    def states(self) -> States:
        """What is kept from step to step, in the order in which a native functor takes it."""
        return ()

    @property
    def scalars(self) -> tuple[str, ...]:
        """The states that are one number for all coordinates."""
        return tuple(state.name for state in self.states if state.shape == "scalar")

    @property
    def never_negative(self) -> tuple[str, ...]:
        """The states whose 8-bit codes need no sign."""
        return tuple([state.name for state in self.states if state.sign == "never negative"])

    def check(self, p: Tensor) -> None:
        """Raise ``ValueError`` or, as torch does, ``RuntimeError`` where the rule cannot step this parameter.

        The error says what would be taken.

        Args:
            p: the parameter, which is not changed.
        """

    def start(self, w: Tensor, lr: Scalar) -> Start:
        """The first values of ``states``, but for those that begin with a gradient; zeros unless a rule says else.

        Args:
            w: the parameter.
            lr: the learning rate at the first step.

        Returns:
            The values by the states' names.
        """
        begun = [state for state in self.states if state.begins == "before the first step"]
        single: Start = {state.name: 0.0 for state in begun if state.shape == "scalar"}
        return {**single, **zeros(w, *(state.name for state in begun if state.shape == "parameter"))}

    def tick(self, t: Scalar, s: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Move scalars on with the clock, before the rule reads them.

        Args:
            t: the number of the step, from 1.
            s: the scalar states.

        Returns:
            The scalar states for this step.
        """
        return s

    @abstractmethod
    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, Tensor | float, State]: ...

    def direction(self, v: Tensor) -> Tensor:
        """The way from what a rule for "matrices" averages to u.

        Args:
            v: the whole of it, a matrix, or a stack of them.

        Returns:
            u, shaped as ``v``.
        """
        raise NotImplementedError(f"{type(self).__name__} has no direction of its own for whole matrices")

    def rate(self, lr: Scalar, t: Scalar, s: State) -> Scalar:
        """What multiplies u.

        Args:
            lr: the learning rate in force.
            t: the number of the step, from 1.
            s: the states before the step.

        Returns:
            The rate, ``lr`` unless a rule has one of its own.
        """
        return lr

    def move(self, w: Tensor, u: Tensor, rate: Scalar) -> Tensor:
        """The step along u: ``w − rate·u`` unless a rule moves in another way.

        Args:
            w: the weights.
            u: the direction.
            rate: what ``rate`` returned.

        Returns:
            The new weights.
        """
        return axpy(w, u, -rate)

    def finish(self, lr: Scalar, t: Scalar, w: Tensor, s: State) -> State:
        """See the weights after the step, for an average of them.

        Args:
            lr: the learning rate in force.
            t: the number of the step, from 1.
            w: the new weights.
            s: the states after the step.

        Returns:
            The states that change by it.
        """
        return {}


def _states_of_start(rule: Rule) -> States:
    """What a rule that declares nothing starts with."""
    scalars: Any = () if type(rule).scalars is Rule.scalars else rule.scalars
    names = rule.start(torch.empty(0, device="cpu"), 0.0)
    return tuple(StateSpec(name, "scalar" if name in scalars else "parameter") for name in names)


def words(rule: Rule) -> str:
    """The rule's own words, its choices between equations, in the order of its fields.

    Args:
        rule: the rule.

    Returns:
        The words in one string.

    Example:
        >>> halflife.rules.words(halflife.rules.Adam())
        'none outside'
    """
    return " ".join(value for value in settings(rule).values() if isinstance(value, str))


def hyper_parameters(rule: Rule) -> dict[str, Any]:
    """Its numbers, by name, in the order of its fields.

    Args:
        rule: the rule.

    Returns:
        A dict of all fields that are no words.

    Example:
        >>> halflife.rules.hyper_parameters(halflife.rules.Lion())
        {'beta1': 0.9, 'beta2': 0.99}
    """
    return {name: value for name, value in settings(rule).items() if not isinstance(value, str)}


def settings(rule: Rule) -> dict[str, Any]:
    """All its fields.

    Args:
        rule: the rule.

    Returns:
        A dict of names and values, in the order of the fields.

    Example:
        >>> halflife.rules.settings(halflife.rules.SGD(momentum=0.9, momentum_type="nesterov"))
        {'momentum': 0.9, 'dampening': 0.0, 'momentum_type': 'nesterov'}
    """
    return {name: getattr(rule, name) for name in _field_names(type(rule))}


@cache
def _field_names(rule: type[Rule]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(rule))  # type: ignore[arg-type]


def zeros(w: Tensor, *names: str) -> dict[str, Tensor | float]:
    """A state of zeros, each shaped and laid out like ``w``."""
    return {name: torch.zeros_like(w) for name in names}


def where(condition: bool | Tensor, then: Callable[[], Tensor], otherwise: Callable[[], Tensor | float]):
    """``then()`` where the condition on the clock holds, else ``otherwise()``; only one is computed if it is a bool."""
    if isinstance(condition, bool):
        return then() if condition else otherwise()
    return then().where(condition, otherwise())  # type: ignore[arg-type]
