"""What holds from step to step: which tensors are stepped in one pass, by which tables, and by what settings.

And the run of what no table holds, which is taken back where only the device knows that the step is skipped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from itertools import chain
from operator import is_, itemgetter
from typing import Any

import torch
from torch import Tensor

from ..decays import Decay
from ..engines import Choice, GroupStep, static_key
from ..engines.foreach import most_at_once
from ..engines.formats import HALF
from ..engines.memory import SCALE, ParameterState
from ..regularizers import Regularizer
from ..rules import Scalar
from .groups import Group, GroupView, number, scheduler_mark

States = MutableMapping[Tensor, ParameterState]
Part = tuple[int, Choice, GroupStep]
"""A group's place among the groups, an engine, and the step of those of its tensors that the engine takes."""

WHOLE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Whole numbers of as many bytes."""


class Plan:
    """Tables of the tensors that are stepped in one pass, who the others are, and the settings of their groups.

    It keeps none of the parameters alive.
    """

    def __init__(self, groups: list[Group], views: list[GroupView], tabled: list[Part], others: list[Part]) -> None:
        self.halves = {k: frozenset[torch.dtype]() for k, _, _ in tabled}
        for k, _, step in tabled:
            self.halves[k] |= halves(step.params)
        self.watched = {k: bool(dtypes) or views[k].decay.needs_schedule for k, dtypes in self.halves.items()}
        self.watched |= {k: False for k in range(len(views)) if k not in self.halves}
        self.whole = not others
        self._factors: tuple[Scalar, list[list[Scalar]]] = (0.0, [])
        self._others = {id(p): k for k, _, step in others for p in step.params}
        self.keys = list(map(group_key, views))
        self.settings, self.views = Settings(groups), views
        by_maker = dict[Any, list[Part]]()
        for part in tabled:
            by_maker.setdefault(part[1].table, []).append(part)
        self.tables = [(make([step for _, _, step in own]), [k for k, _, _ in own]) for make, own in by_maker.items()]
        homes = enumerate(by_maker.values())
        self._home = {id(p): place for place, own in homes for _, _, step in own for p in step.params}
        self._single = len(self.tables) == 1
        for (table, _), own in zip(self.tables, by_maker.values(), strict=True):
            table.fill([step for _, _, step in own])

    @property
    def norm(self) -> Callable[[], float] | None:
        """A table's way to the norm of all gradients, where all of them are its own."""
        return self.tables[0][0].gradient_norm if self._single and self.whole else None

    def own(self, params: list[Tensor], place: int) -> list[int] | None:
        """The places of the tensors of one of the tables; None for all."""
        if self._single:
            return [i for i, p in enumerate(params) if id(p) not in self._others] if self._others else None
        return [i for i, p in enumerate(params) if self._home.get(id(p)) == place]

    def others_of(self, groups: list[Group]) -> list[tuple[int, list[Tensor]]]:
        """The tensors that other engines step, by group."""
        return [
            (k, [p for p in groups[k]["params"] if id(p) in self._others and p.grad is not None])
            for k in dict.fromkeys(self._others.values())
        ]

    def fits(self, params: list[Tensor], grads: list[Tensor], state: States) -> bool:
        """Whether the tensors with gradients are those of the plan, and the tables' where they were."""
        left = len(params) - len(self._others)
        for place, (table, _) in enumerate(self.tables):
            kept = self.own(params, place)
            own, theirs = (params, grads) if kept is None else ([x[i] for i in kept] for x in (params, grads))
            left -= len(own)
            if not table.fits(own, theirs, _states_of(own, state) if table.reads_states else ()):
                return False
        return left == 0

    def renew(self, groups: list[Group], views: list[GroupView]) -> None:
        """All numbers anew, of groups whose words are the same."""
        self.settings, self.views, self._factors = Settings(groups), views, (0.0, [])
        for table, rows in self.tables:
            table.fill([views[k].step((), ()) for k in rows])

    def move(self, moved: dict[int, tuple[Scalar, Scalar]]) -> None:
        """The learning rates and λ that a scheduler moved."""
        for k, (lr, lam) in moved.items():
            view = self.views[k]
            view.move(lr, lam)
            for table, rows in self.tables:
                if k in rows:
                    table.move(rows.index(k), view.update, view.lr, view.multiplier(view.lr), view.lam)

    @property
    def decides_on_device(self) -> bool:
        """Whether it is left to the device to skip a step: no engine that is not a kernel there takes part in it."""
        return self.whole and all(table.decides_on_device for table, _ in self.tables)

    def run(self, params: list[Tensor], factor: Scalar, skip: Tensor | None = None) -> None:
        """One step of every tensor that is in a table, or an error, and then no step of any.

        ``factor``: what multiplies the gradients; ``skip``: one number on a device, not 0 to make no step.
        """
        verdict = None if skip is None and not isinstance(factor, Tensor) else _verdict(skip, factor)
        if factor is not self._factors[0]:
            self._factors = factor, [self._signed(factor, table, rows) for table, rows in self.tables]
        for (table, _), factors in zip(self.tables, self._factors[1], strict=True):
            table.prepare(factors)
        for place, (table, _) in enumerate(self.tables):
            kept = self.own(params, place)
            table.run(params if kept is None else [params[i] for i in kept], verdict)

    def _signed(self, factor: Scalar, table: Any, rows: list[int]) -> list[Scalar]:
        """The factor of each row: of one that only the device knows, the sign, where the table takes a verdict."""
        own = 1.0 if isinstance(factor, Tensor) and table.decides_on_device else number(factor)
        return [-own if self.views[k].group.get("maximize") else own for k in rows]


def _verdict(skip: Tensor | None, factor: Scalar) -> Tensor:
    """Two float64 on the device: whether to skip, and what multiplies the gradients."""
    place = next(x.device for x in (skip, factor) if isinstance(x, Tensor))
    numbers = torch.zeros((), device=place) if skip is None else skip, torch.as_tensor(factor, device=place)
    return torch.stack([x.detach().reshape(()).to(place, torch.float64) for x in numbers])


def _states_of(params: list[Tensor], state: States) -> Iterable[ParameterState]:
    in_order = len(state) == len(params) and all(map(is_, state, params))  # a look at one costs six times that
    return state.values() if in_order else [state.get(p, {}) for p in params]


class Settings:
    """All that the groups say but for their parameters, to tell whether a step computes with the same numbers."""

    def __init__(self, groups: list[Group]) -> None:
        self._names = [tuple(name for name in group if name != "params") for group in groups]
        self._read: list[Callable[[Group], tuple[Any, ...]]] = [itemgetter(*names) for names in self._names]
        self._lr_at = [names.index("lr") for names in self._names]
        self._values = [read(group) for read, group in zip(self._read, groups, strict=True)]
        self._fixed = all(map(_is_fixed, chain.from_iterable(self._values)))

    def moved(self, groups: list[Group]) -> dict[int, tuple[Scalar, Scalar]] | None:
        """The new lr and λ of each group that has others than before; None if anything else may have changed."""
        if not self._fixed or len(groups) != len(self._read):
            return None
        found = dict[int, tuple[Scalar, Scalar]]()
        for k, read in enumerate(self._read):
            group, old, i = groups[k], self._values[k], self._lr_at[k]
            if len(group) != len(old) + 1:
                return None
            try:
                new = read(group)
            except KeyError:
                return None
            if new == old:
                continue
            only_lr = type(new[i]) is float and new[:i] == old[:i] and new[i + 1 :] == old[i + 1 :]
            if not only_lr and not all(map(_may_move, self._names[k], new, old)):
                return None
            self._values[k], found[k] = new, (group["lr"], group["weight_decay"])
        return found


def _may_move(name: str, new: Any, old: Any) -> bool:
    """Whether a setting is the same, or a number that may move from step to step without another decision."""
    if new is old:
        return True
    if type(new) is not float or not isinstance(old, int | float):
        return False
    return name == "lr" or new == old or (name == "weight_decay" and new != 0 and old != 0)


_FIXED = frozenset({type(None), bool, int, float, str, torch.dtype, Decay})


def _is_fixed(x: Any) -> bool:
    """Whether an object stays as it is, unlike a tensor."""
    if type(x) in _FIXED:
        return True
    if isinstance(x, tuple):  # a list is written into
        return all(map(_is_fixed, x))  # pyright: ignore[reportUnknownArgumentType]
    return isinstance(x, Regularizer) and all(map(_is_fixed, vars(x).values()))


def halves(params: Sequence[Tensor]) -> frozenset[torch.dtype]:
    """The dtypes in half precision among these."""
    return frozenset(p.dtype for p in params if p.dtype in HALF)


def group_key(view: GroupView) -> tuple[Any, ...]:
    """All that decides on engines and tables but the tensors: when it changes, choose again."""
    flags = (view.group.get(name) for name in ("fused", "capturable", "differentiable"))
    mark = scheduler_mark(view.group)
    return (*flags, *mark, view.engine, static_key(view.update, view.lam, view.memory, view.group.get("ema_decay")))


def run(parts: list[Part], skip: Tensor | None = None) -> None:
    """Each part by its engine; where ``skip``, on the device, is not 0, all of it has its old bits again.

    For that some tensors at a time are there twice.
    """
    for _, choice, step in parts:
        for part in [step] if skip is None else _batches(step):
            held = [] if skip is None else _held(part)
            before = [_bits(state[name]).clone() for state, name in held]
            choice.run(part)
            if skip is not None:
                _take_back(skip, [_bits(state[name]) for state, name in held], before)


def _batches(step: GroupStep) -> Iterator[GroupStep]:
    """The step of some neighbours at a time, of as many as the foreach engine steps at once."""
    taken, size = list[int](), 0
    for i, p in enumerate(step.params):
        if taken and size + p.nbytes > most_at_once(p):
            yield step.part(taken)
            taken, size = [], 0
        taken.append(i)
        size += p.nbytes
    yield step.part(taken)


def _held(step: GroupStep) -> list[tuple[ParameterState, str]]:
    """Where all the tensors stand that a step writes: the weights, and the states under the names that it knows."""
    names = [*step.tensor_names, *step.clock_names(), *step.reduced]
    names += [name + SCALE for name in step.state_names]
    own = [(state, name) for state in step.states for name in names if state.get(name) is not None]
    return [*(({"": p}, "") for p in step.params), *own]


def _bits(x: Tensor) -> Tensor:
    """Its own memory, as whole numbers."""
    real = torch.view_as_real(x.detach()) if x.is_complex() else x.detach()
    return real.view(WHOLE[real.itemsize])


def _take_back(skip: Tensor, now: list[Tensor], before: list[Tensor]) -> None:
    """``now ← now·(1 − s) + before·s``, s 1 where ``skip`` is not 0: of bits, for 0 times NaN is NaN."""
    alike = defaultdict[Any, list[tuple[Tensor, Tensor]]](list)
    for pair in zip(now, before, strict=True):
        alike[pair[0].device, pair[0].dtype].append(pair)
    for (device, dtype), pairs in alike.items():
        s = (skip.detach().reshape(()) != 0).to(device, dtype)
        kept, old = ([pair[i] for pair in pairs] for i in (0, 1))
        new = torch._foreach_mul(kept, 1 - s)
        torch._foreach_mul_(old, s)
        torch._foreach_add_(new, old)
        torch._foreach_copy_(kept, new)  # at last, for two may share their memory
