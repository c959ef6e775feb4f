"""One step of all groups: those that the native engine takes in one call, each other by its own engine."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from itertools import chain
from operator import is_, methodcaller
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..decays import Decay
from ..engines import Table, Work, choose, gradient_norm, words_of
from ..regularizers import Regularizer
from ..rules import Scalar
from .groups import Group, refuse_sparse, regularizer_of
from .precision import LostDecays

if TYPE_CHECKING:
    from .optimizer import Optimizer

Judge = Callable[[list[Tensor], Callable[[], float] | None], Scalar | None]
"""From all gradients, and a fast way to their norm if there is one, the factor for each; None to skip the step."""

_values = methodcaller("values")


class Settings:
    """All that the groups say, to tell by identity alone whether a step computes with the numbers of the last one."""

    def __init__(self, groups: list[Group], factor: Scalar) -> None:
        self._values = [factor, *chain.from_iterable(map(_values, groups))]
        self._fixed = all(_is_fixed(x) for group in groups for name, x in group.items() if name != "params")

    def unchanged(self, groups: list[Group], factor: Scalar) -> bool:
        """Whether the groups hold the same objects, none of which can change inside."""
        values = [factor, *chain.from_iterable(map(_values, groups))]
        return self._fixed and len(values) == len(self._values) and all(map(is_, values, self._values))


def _is_fixed(x: Any) -> bool:
    """Whether an object stays as it is, unlike a tensor."""
    if isinstance(x, tuple):
        return all(map(_is_fixed, x))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(x, Regularizer):
        return all(map(_is_fixed, vars(x).values()))
    return x is None or isinstance(x, int | float | str | torch.dtype | Decay)


class Stepping:
    """What an optimizer keeps between two steps: the native engine's table, and the words that it was made for."""

    def __init__(self) -> None:
        self.table: Table | None = None
        self.words: list[Any] = []
        self.settings = Settings([], 1.0)
        self.lost_decays = LostDecays()

    def step(self, optimizer: Optimizer, judge: Judge) -> bool:
        """Step all groups, unless ``judge`` says to skip; whether a step was made."""
        params, grads = _with_gradients(optimizer.param_groups)
        table = self.table
        known = table is not None and table.fits(params, grads, _states(optimizer, params))
        factor = judge(grads, table.gradient_norm if table is not None and known else _norm_anew(optimizer, grads))
        if factor is None:
            return False
        if table is None or not known:
            self._step_anew(optimizer, factor)
        elif table.numbers and self.settings.unchanged(optimizer.param_groups, factor):
            table.run_again()
        else:
            self._step_with(table, optimizer, factor)
        return True

    def _step_with(self, table: Table, optimizer: Optimizer, factor: Scalar) -> None:
        """The tensors are those of the table; see whether its words still hold, and give it this step's numbers."""
        works = [optimizer._work(group, [], factor) for group in optimizer.param_groups]
        if _words(optimizer.param_groups, works) != self.words:
            self._step_anew(optimizer, factor)
            return
        for index, work in enumerate(works):
            self.lost_decays.look(index, work, optimizer.param_groups[index]["params"])
        self.settings = Settings(optimizer.param_groups, factor)  # first: the step may be interrupted
        table.run(works)

    def _step_anew(self, optimizer: Optimizer, factor: Scalar) -> None:
        """Choose an engine for each group; if native is it for all, keep the table."""
        self.table, self.settings = None, Settings([], 1.0)
        native: list[Work] = []
        for index, group in enumerate(optimizer.param_groups):
            work = self._prepared(optimizer, index, group, factor)
            choice = choose(group, work.params, work.grads, regularizer_of(group), work)
            if choice.name == "native":
                native.append(work)
            else:
                choice.run(work)
        if native:
            table = Table(native)
            table.run(native)
            if len(native) == len(optimizer.param_groups):
                table.hold(_states(optimizer, table.params))
                self.table, self.words = table, _words(optimizer.param_groups, native)
        for p in _with_gradients(optimizer.param_groups)[0]:
            if not optimizer.state[p]:
                del optimizer.state[p]  # SGD without momentum keeps none

    def _prepared(self, optimizer: Optimizer, index: int, group: Group, factor: Scalar) -> Work:
        params = [p for p in group["params"] if p.grad is not None]
        work = optimizer._work(group, params, factor)
        refuse_sparse(type(optimizer).__name__, work)
        self.lost_decays.look(index, work, params)
        optimizer._reform(index, group, work)
        work.states.extend(optimizer._state_of(work, group, p) for p in params)
        return work


def _with_gradients(groups: list[Group]) -> tuple[list[Tensor], list[Tensor]]:
    params: list[Tensor] = groups[0]["params"] if len(groups) == 1 else [p for g in groups for p in g["params"]]
    grads = [p.grad for p in params]
    there = [g for g in grads if g is not None]
    return (params if len(there) == len(grads) else [p for p in params if p.grad is not None]), there


def _norm_anew(optimizer: Optimizer, grads: list[Tensor]) -> Callable[[], float] | None:
    """The norm as a table sums it, if all groups are to have one: so what is resumed clips by the very same factor."""
    for group in optimizer.param_groups:
        params = [p for p in group["params"] if p.grad is not None]
        work = optimizer._work(group, params)
        clips = group.get("max_grad_norm") is not None
        if not clips or choose(group, params, work.grads, regularizer_of(group), work).name != "native":
            return None
    return partial(gradient_norm, grads)


def _states(optimizer: Optimizer, params: list[Tensor]) -> Collection[dict[str, Any]]:
    """The states of these parameters, in an order that stays while they do."""
    state = optimizer.state
    return state.values() if len(state) in (0, len(params)) else [state[p] for p in params if p in state]


def _words(groups: list[Group], works: list[Work]) -> list[Any]:
    """All that decides on engines and tables but the tensors: when it changes, choose again."""
    flags = ([group.get(name) for name in ("foreach", "fused", "capturable", "differentiable")] for group in groups)
    return list(chain(flags, map(words_of, works)))
