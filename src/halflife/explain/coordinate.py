"""One weight under an update, step after step: the library's own text run over recorded numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ..engines.trace import Value
from ..update import Update
from .derivation import Result, WorkedLine
from .letters import lowered
from .notes import Notes
from .recording import Binding, Number


@dataclass(frozen=True)
class Clock:
    """The numbers of one step: its count t from 1, lr, η and λ."""

    t: int
    lr: float
    eta: float
    lam: float


@dataclass
class Coordinate:
    """A weight with its states, which ``step`` moves on as the engines do: scalar states are kept in torch's default
    dtype, everything else in float64.
    """

    update: Update
    w: float
    state: dict[str, float] = field(default_factory=dict[str, float])

    def step(self, clock: Clock, g: float) -> tuple[WorkedLine, ...]:
        """Take one step on the gradient g; the lines by which it was worked out.

        Raises :class:`halflife.engines.trace.UntraceableError` for a rule that looks at more than one coordinate.
        """
        return _Step(self, clock).run(g)


class _Step:
    """One step of a coordinate."""

    def __init__(self, coordinate: Coordinate, clock: Clock) -> None:
        self.coordinate, self.clock = coordinate, clock
        plain = coordinate.update
        self.notes, self.plain = Notes(type(plain.rule).__name__), plain.rule
        rule, regularizer = self.notes.lettered(plain.rule), self.notes.lettered(plain.regularizer)
        self.update = replace(plain, rule=rule, regularizer=regularizer)

    def run(self, g: float) -> tuple[WorkedLine, ...]:
        """The step's lines; the coordinate has moved on."""
        notes, clock, rule = self.notes, self.clock, self.update.rule
        w, gradient = notes.input("w", self.coordinate.w, known=False), notes.input("g", g, known=False)
        lr, η, λ = notes.number("lr", clock.lr), notes.number("η", clock.eta), notes.number("λ", clock.lam)
        t = notes.number("t", clock.t) if rule.counts_steps else 0.0
        state: Any = self._start(w, lr) if clock.t == 1 else self._kept()
        state |= self._ticked(t, {name: state[name] for name in rule.scalars})
        arguments: Any = (t, w, gradient, state)
        new_w, new = notes.run(lambda: self.update(*arguments, lr=lr, eta=η, lam=λ))
        self.coordinate.w = _float(new_w)
        results = {notes.letter(name): x for name, x in self._stored(new).items()}
        return notes.lines(results, frozenset({"u", "w′"}))

    def _start(self, w: Value, lr: Number) -> dict[str, Result]:
        """The states before the first step, each under its letter with a 0 below."""
        notes, scalars, state = self.notes, self.update.rule.scalars, dict[str, Result]()
        if self.update.regularizer.anchored:
            self.coordinate.state["anchor"] = self.coordinate.w
            state["anchor"] = self._old("anchor", self.coordinate.w)
        started: Any = self.update.rule.start(w, lr)  # type: ignore[arg-type]
        for name, x in started.items():
            first = self._single(x) if name in scalars else x
            if isinstance(first, Number) or (isinstance(first, Value) and not notes.recording.is_constant(first)):
                notes.bindings.append(Binding(notes.letter(name) + "₀", first))
                state[name] = first
            else:
                state[name] = self._old(name, _float(first))
        return state

    def _kept(self) -> dict[str, Result]:
        return {name: self._old(name, x) for name, x in self.coordinate.state.items()}

    def _old(self, name: str, x: float) -> Result:
        """A state as the step finds it: m₀, m₁, …; the gradient before and the first weight have signs of their own."""
        known = self.notes.letter(name)
        old = known if known in ("g₋", "w₀") else known + lowered(self.clock.t - 1)
        return self.notes.number(old, x) if name in self.update.rule.scalars else self.notes.input(old, x)

    def _ticked(self, t: Number | float, scalars: Mapping[str, Any]) -> Mapping[str, Result]:
        """The scalars, moved on with the clock: in text by numbers, in value by tensors, as the engines do it."""
        if not scalars:
            return {}
        dtype = torch.get_default_dtype()
        tensors: Any = {name: torch.tensor(float(x), dtype=dtype) for name, x in scalars.items()}
        exact = self.plain.tick(float(t), tensors)
        ticked: Any = self.notes.run(lambda: self.update.rule.tick(t, scalars))
        moved = {name: self._single(x, exact[name]) for name, x in ticked.items() if x is not scalars[name]}
        self.notes.bindings += [Binding(self.notes.letter(name), x) for name, x in moved.items()]
        self.coordinate.state.update({name: float(x) for name, x in moved.items()})
        return moved

    def _stored(self, new: Mapping[str, Any]) -> dict[str, Result]:
        """The new states as they are kept."""
        scalars = self.update.rule.scalars
        kept: dict[str, Result] = {name: self._single(x) if name in scalars else x for name, x in new.items()}
        self.coordinate.state.update({name: _float(x) for name, x in kept.items()})
        return kept

    def _single(self, x: Number | float, exact: Any = None) -> Number | float:
        """A scalar as it is kept: in torch's default dtype."""
        dtype = torch.get_default_dtype()
        value = float(torch.as_tensor(float(x) if exact is None else exact, dtype=dtype))
        if not isinstance(x, Number):
            return value
        return self.notes.recording.rounded(x, value) if dtype == torch.float32 else x


def _float(x: Any) -> float:
    value: Any = x.value if isinstance(x, Value) else x
    return float(value)
