"""What an engine is given: one group's update, its numbers, its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor

from ..rules import Scalar, StateSpec
from ..sharded.sharding import laid_out_as, replicated
from ..update import Update
from .formats import BLOCK, HALF, wide
from .memory import SCALE, Memory, ParameterState, Rounding, decoded

Mode = Literal["plain", "capturable", "differentiable"]
Clock = dict[str, Scalar]
Place = tuple[torch.device, torch.dtype]


@dataclass(frozen=True)
class GroupStep:
    """One parameter group's step, to be done in place.

    ``mode``: "plain" computes the clock in Python numbers, "capturable" in tensors that a graph can replay,
    "differentiable" keeps every operation for autograd and puts new tensors in the state instead of writing into it.
    ``gradient`` multiplies every gradient: -1 to maximize, times the clip factor, over the loss scale.
    ``memory`` is what weights and states are kept in, ``ema_decay`` the d of ``ema ← ema + (1−d)(w − ema)``, w the
    weights as they lie in memory after the step; None keeps no average.

    Of a parameter's state it looks at the names that rule, regularizer and memory declare, and at no other: the rest
    belongs to somebody else.
    """

    update: Update
    lr: Scalar
    eta: Scalar
    lam: Scalar
    params: Sequence[Tensor]
    grads: Sequence[Tensor]
    states: Sequence[ParameterState]
    mode: Mode = "plain"
    gradient: Scalar = 1.0
    memory: Memory = field(default_factory=Memory)
    ema_decay: float | None = None

    def part(self, indices: Sequence[int]) -> GroupStep:
        """The same step of some of the parameters."""
        params, grads, states = ([of[i] for i in indices] for of in (self.params, self.grads, self.states))
        return replace(self, params=params, grads=grads, states=states)

    @property
    def numbers(self) -> dict[str, Scalar]:
        return {"lr": self.lr, "eta": self.eta, "lam": self.lam}

    @property
    def rounding(self) -> Rounding:
        return self.memory.rounding

    @cached_property
    def state_names(self) -> tuple[str, ...]:
        """The rule's states of a number a coordinate, in its own order."""
        return tuple(spec.name for spec in self.update.rule.states if spec.shape == "parameter")

    @cached_property
    def reduced(self) -> dict[str, StateSpec]:
        """The rule's states of a number a row, a column or a tensor."""
        return {spec.name: spec for spec in self.update.rule.states if spec.shape in ("rows", "columns", "one")}

    @property
    def _keeps_norm(self) -> bool:
        """Whether the regularizer's anchor is smaller than the parameter."""
        return self.update.regularizer.anchor_shape == "norm"

    @cached_property
    def _needed(self) -> tuple[tuple[str, ...], ...]:
        """What must be there before a step, of a wide parameter and of one in half precision; scalars first."""
        rule, memory = self.update.rule, self.memory
        begun = tuple(s.name for s in rule.states if s.shape != "scalar" and s.begins == "before the first step")
        anchor = ("anchor",) if self.update.regularizer.anchored else ()
        ema = ("ema",) if self.ema_decay is not None else ()
        found: list[tuple[str, ...]] = []
        for dtype in (torch.float32, torch.float16):
            clock = ("step",) if rule.counts_steps or memory.needs_clock(dtype) else ()
            kahan = ("kahan",) if memory.rounding == "kahan" and dtype in HALF else ()
            found.append((*clock, *rule.scalars, *anchor, *kahan, *ema, *begun))
        return tuple(found)

    def needed(self, p: Tensor) -> tuple[str, ...]:
        """The names that a parameter's state must have before its step."""
        return self._needed[p.dtype in HALF]

    def dithers(self, p: Tensor) -> bool:
        """Whether anything of this parameter is rounded by random bits that go by its place in the whole tensor."""
        weights = self.memory.rounding == "stochastic" and p.dtype in HALF
        return weights or self.memory.state_dtype is torch.bfloat16

    @cached_property
    def _scalars(self) -> tuple[str, ...]:
        return self.update.rule.scalars

    @cached_property
    def _clock_names(self) -> tuple[str, ...]:
        return ("step", *self._scalars)

    @cached_property
    def _tensor_names(self) -> tuple[tuple[str, ...], ...]:
        """Of a wide parameter and of one in half precision, what is of the parameter's shape."""
        found = (dict.fromkeys((*names, *self.state_names)) for names in self._needed)
        other = (*self._clock_names, *self.reduced, *(("anchor",) if self._keeps_norm else ()))
        return tuple(tuple(name for name in names if name not in other) for names in found)

    @property
    def tensor_names(self) -> frozenset[str]:
        """Every name under which a parameter's state may have something of the parameter's own shape."""
        return frozenset(chain.from_iterable(self._tensor_names))

    def clock_names(self) -> tuple[str, ...]:
        """The states that are one number for all coordinates, where they are kept."""
        return self._clock_names

    def known(self, state: ParameterState) -> tuple[str, ...]:
        """The names that the rule or the regularizer may read, those of them that are there."""
        names = (*self.state_names, *self.reduced, *(("anchor",) if self.update.regularizer.anchored else ()))
        return tuple(name for name in names if state.get(name) is not None)

    def as_is(self, p: Tensor, state: ParameterState) -> bool:
        """Whether what lies in memory is what is computed with."""
        return self.memory.as_is(p) and all(
            state[name].dtype == p.dtype for name in self.state_names if state.get(name) is not None
        )

    def read_clock(self, state: ParameterState) -> Clock:
        """The step count, moved on by one, and the rule's scalars, moved on by ``tick``: what this step computes with.

        Stored first and read back then, so that what is used is what a checkpoint would restore.
        """
        rule = self.update.rule
        if self.mode == "differentiable" and state.get("step") is not None:
            state["step"] = state["step"] + 1
        elif state.get("step") is not None:
            state["step"] += 1
        if self._scalars:
            t = self._value("step", state["step"])
            self._store_scalars(state, rule.tick(t, {name: state[name] for name in self._scalars}))
        return {name: self._value(name, state[name]) for name in self.clock_names() if state.get(name) is not None}

    def _value(self, name: str, x: Tensor) -> Scalar:
        read = self.mode == "plain" or (self.mode == "differentiable" and name == "step")
        return x.item() if read else x

    def scaled(self, g: Any, device: torch.device) -> Any:
        """The gradient, or what stands for many, times ``gradient``; itself where that is the number 1."""
        factor = self.gradient
        if isinstance(factor, Tensor):
            return g * factor.to(device)
        return g if factor == 1 else g * factor

    def gradient_of(self, p: Tensor, g: Tensor, as_is: bool) -> Tensor:
        """The gradient as it is computed with, ``scaled`` aside; dense where the states are not kept as they are."""
        if as_is:
            return as_real((g if g.dtype == p.dtype else g.to(p.dtype)).resolve_conj())
        return (g.to_dense() if g.is_sparse else g).to(wide(p.dtype))

    def weights(self, p: Tensor, state: ParameterState, as_is: bool) -> Tensor:
        """The weights as they are computed with: p's own memory where that will do."""
        if as_is:
            return as_real(p.clone() if self.mode == "differentiable" else p)
        return self.memory.read_weights(p, state)

    def states_of(self, p: Tensor, state: ParameterState, as_is: bool) -> dict[str, Any]:
        """The states as they are computed with: their own memory where that will do."""
        if as_is:
            return {name: as_real(state[name]) for name in self.known(state)}
        return {name: decoded(state, name, wide(p.dtype), self.memory.signed(name)) for name in self.known(state)}

    def put(self, p: Tensor, state: ParameterState, w: Tensor, clock: Clock, as_is: bool, at: int = 0) -> None:
        """Write the new weights; ``at`` is the place of p's first coordinate, where p is a piece of a tensor."""
        if as_is:
            as_real(p).copy_(laid_out_as(w, p))
        else:
            self.memory.write_weights(p, state, w, clock.get("step", 0.0), at)

    def store(
        self, p: Tensor, state: ParameterState, new: Mapping[str, Any], clock: Clock, as_is: bool, at: int = 0
    ) -> None:
        """Put new states where the old ones were: in their memory, or in their place where autograd or layout asks."""
        scalars, new = self._scalars, without_aliases(new, state)
        self._store_scalars(state, {name: x for name, x in new.items() if name in scalars})
        for name in (name for name in new if name not in scalars):
            if name in self.reduced:
                self._store_as_is(p, state, name, replicated(new[name]))
                continue
            if name not in self.state_names:
                raise TypeError(
                    f"{type(self.update.rule).__name__} gives the state {name!r}, which its `states` do not declare, "
                    f"so that no later step would find it; add StateSpec({name!r}) there, with "
                    "begins='with the first gradient' if start() does not give it."
                )
            if as_is:
                self._store_as_is(p, state, name, new[name])
            elif self.mode == "differentiable":
                state[name] = new[name].to(self.memory.dtype_of_states(p), copy=True)
            else:
                t, k = clock.get("step"), self.state_names.index(name)
                self.memory.write_state(p, state, name, new[name], t, k, at)

    def _store_as_is(self, p: Tensor, state: ParameterState, name: str, real: Tensor) -> None:
        old, x = state.get(name), torch.view_as_complex(real) if p.is_complex() else real
        if old is None:
            state[name] = x.clone()
        elif self.mode == "differentiable" or old.is_sparse:
            state[name] = x
        else:
            old.copy_(laid_out_as(x, old))

    def _store_scalars(self, state: ParameterState, new: Mapping[str, Any]) -> None:
        for name, x in new.items():
            if self.mode == "differentiable":
                state[name] = x if isinstance(x, Tensor) else torch.full_like(state[name], x)
            elif isinstance(x, Tensor):
                state[name].copy_(x)
            else:
                state[name].fill_(x)

    def average(self, p: Tensor, state: ParameterState) -> None:
        """Move the average of the weights on, if one is kept."""
        if self.ema_decay is not None:
            ema: Tensor = state["ema"]
            ema.lerp_(p.detach().to(ema.dtype), 1 - self.ema_decay)

    def begin(self, p: Tensor, state: ParameterState, place: Place) -> None:
        """Put in the state what it lacks of the names that are needed; what is there must be what it should.

        ``place`` is the device and dtype of the step count and the rule's scalars. Raises ``ValueError`` or
        ``TypeError`` for an entry under a known name that cannot be this parameter's.
        """
        lacking = [name for name in self.needed(p) if state.get(name) is None]
        if lacking:
            state.update(self.first_values(p, lacking, place))
        state.update(self.clocks_of(state, place))
        for name in self._tensor_names[p.dtype in HALF]:
            if state.get(name) is not None:
                self._check(p, state, name)
                if state[name].is_neg() or state[name].is_conj():  # a view that not every kernel writes through
                    state[name] = state[name].resolve_neg().resolve_conj()
        self._check_reduced(p, state)
        own = self.memory.dtype_of_states(p)
        for name in self.state_names if self.memory.state_dtype is not None else ():
            if state.get(name) is not None and state[name].dtype != own:  # torch's Adagrad begins in its constructor
                numbers = decoded(state, name, wide(p.dtype), self.memory.signed(name))
                self.memory.write_state(p, state, name, numbers, None)

    def _anchor_of(self, p: Tensor) -> Tensor:
        return self.update.regularizer.anchor_of(p.to(wide(p.dtype)) if self._keeps_norm else p)

    def clocks_of(self, state: ParameterState, place: Place) -> ParameterState:
        """The step count and the rule's scalars, those that are there, in the form in which they are kept."""
        there = [name for name in self.clock_names() if state.get(name) is not None]
        differentiable = self.mode == "differentiable"
        return {
            name: state[name] if differentiable else as_clock(state[name], place, f"the state {name!r}")
            for name in there
        }

    def _check(self, p: Tensor, state: ParameterState, name: str) -> None:
        x = state[name]
        if not isinstance(x, Tensor):
            raise TypeError(
                f"the state {name!r} of a parameter of shape {tuple(p.shape)} must be a tensor, but is {x!r}; take it "
                "out of optimizer.state, or keep what is your own under a name that the optimizer does not use."
            )
        if x.shape != p.shape:
            raise ValueError(
                f"the state {name!r} of a parameter of shape {tuple(p.shape)} has shape {tuple(x.shape)}; take it out "
                "of optimizer.state, and it will be started anew."
            )
        if x.is_complex() != p.is_complex() or x.device != p.device:
            raise ValueError(
                f"the state {name!r} of a parameter in {p.dtype} on {p.device} is in {x.dtype} on {x.device}; take it "
                "out of optimizer.state, and it will be started anew."
            )
        if x.dtype is torch.uint8:
            scale, blocks = state.get(name + SCALE), -(-p.numel() // BLOCK)
            if not isinstance(scale, Tensor) or scale.shape != (blocks,):
                raise ValueError(
                    f"the state {name!r} is in 8-bit codes, and {name + SCALE!r} must hold their {blocks} scales."
                )

    def _check_reduced(self, p: Tensor, state: ParameterState) -> None:
        """As ``_check`` what is smaller than the parameter."""
        shapes = {name: spec.shape_of(p) for name, spec in self.reduced.items()}
        for name, shape in shapes.items():
            x = state.get(name)
            if x is not None and not (isinstance(x, Tensor) and tuple(x.shape) == shape and x.device == p.device):
                raise ValueError(
                    f"the state {name!r} of a parameter of shape {tuple(p.shape)} on {p.device} must be a tensor of "
                    f"shape {shape} there, but is {x!r}; take it out of optimizer.state, and it will be started anew."
                )

    def first_values(self, p: Tensor, names: Sequence[str], place: Place) -> ParameterState:
        """The states of these names as they are before the first step."""
        rule, memory, (device, dtype), found = self.update.rule, self.memory, place, ParameterState()
        auxiliary = {
            "step": lambda: torch.zeros((), device=device, dtype=dtype),
            "anchor": lambda: self._anchor_of(p.detach()),
            "kahan": lambda: torch.zeros_like(p.detach()),
            "ema": lambda: p.detach().to(wide(p.dtype), copy=True),
        }
        found = {name: auxiliary[name]() for name in names if name in auxiliary}
        own = [name for name in names if name not in auxiliary]
        plain = memory.as_is(p)
        w = as_real(p.detach()) if plain or memory.state_dtype is None else p.detach().to(wide(p.dtype))
        values: Mapping[str, Any] = rule.start(w, self.lr) if own else {}
        for name in own:
            if name not in values:
                raise TypeError(f"{type(rule).__name__} declares the state {name!r}, but its start() does not give it.")
            if name in self._scalars:
                x = values[name] if isinstance(values[name], Tensor) else torch.tensor(values[name], device="cpu")
                found[name] = x.to(device, dtype, copy=True)
            elif name in self.reduced:
                found[name] = replicated(values[name])
            elif plain:
                found[name] = torch.view_as_complex(values[name]) if p.is_complex() else values[name]
            else:
                memory.write_state(p, found, name, values[name], None)
        return found


def without_aliases(new: Mapping[str, Any], old: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same states, a copy of each that another one held until now and that is written over before it is read."""
    held = {id(x): name for name, x in old.items()}
    taken = [name for name, x in new.items() if held.get(id(x), name) != name]
    return {**new, **{name: new[name] * 1 for name in taken}} if taken else new


def as_clock(x: Any, place: Place, what: str) -> Tensor:
    """A step count or another single number as the tensor that it is kept in: its own where that will do."""
    device, dtype = place
    if isinstance(x, Tensor):
        if x.numel() != 1:
            raise ValueError(f"{what} must be a single number, but has shape {tuple(x.shape)}.")
        alike = x.dim() == 0 and x.dtype == dtype and x.device.type == device.type
        return x if alike else x.detach().reshape(()).to(device if x.device.type != device.type else x.device, dtype)
    if isinstance(x, int | float):
        return torch.tensor(float(x), dtype=dtype, device=device)
    raise TypeError(f"{what} must be a single number, but is {x!r}.")


def as_real(x: Tensor) -> Tensor:
    """A complex tensor as two real columns: every rule takes the parts as coordinates of their own."""
    return torch.view_as_real(x) if x.is_complex() else x
