"""One step of all groups: those that the native engine takes in one call, each other by its own engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..engines import Table, Work, choose, words_of
from ..rules import Scalar
from .groups import Group, refuse_sparse, regularizer_of
from .precision import LostDecays

if TYPE_CHECKING:
    from .optimizer import Optimizer

Judge = Callable[[list[Tensor], Callable[[], float] | None], Scalar | None]
"""From all gradients, and a fast way to their norm if there is one, the factor for each; None to skip the step."""


class Stepping:
    """What an optimizer keeps between two steps: the native engine's table, and the words that it was made for."""

    def __init__(self) -> None:
        self.table: Table | None = None
        self.words: list[Any] = []
        self.lost_decays = LostDecays()

    def step(self, optimizer: Optimizer, judge: Judge) -> bool:
        """Step all groups, unless ``judge`` says to skip; whether a step was made."""
        params, grads = _with_gradients(optimizer.param_groups)
        table = self.table
        known = table is not None and table.fits(params, grads, _states(optimizer, params))
        factor = judge(grads, table.gradient_norm if table is not None and known else None)
        if factor is None:
            return False
        works = [optimizer._work(group, [], factor) for group in optimizer.param_groups] if known else []
        if table is not None and known and _words(optimizer.param_groups, works) == self.words:
            for index, work in enumerate(works):
                self.lost_decays.look(index, work, optimizer.param_groups[index]["params"])
            table.run(works)
        else:
            self._step_anew(optimizer, factor)
        return True

    def _step_anew(self, optimizer: Optimizer, factor: Scalar) -> None:
        """Choose an engine for each group; if native is it for all, keep the table."""
        self.table = None
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


@torch._disable_dynamo
def step_untraced(stepping: Stepping, optimizer: Optimizer, judge: Judge) -> bool:
    """``stepping.step``, which a graph that ``torch.compile`` traces leaves to Python."""
    return stepping.step(optimizer, judge)


def _with_gradients(groups: list[Group]) -> tuple[list[Tensor], list[Tensor]]:
    params: list[Tensor] = groups[0]["params"] if len(groups) == 1 else [p for g in groups for p in g["params"]]
    grads = [p.grad for p in params]
    there = [g for g in grads if g is not None]
    return (params if len(there) == len(grads) else [p for p in params if p.grad is not None]), there


def _states(optimizer: Optimizer, params: list[Tensor]) -> Iterable[dict[str, Any]]:
    """The states of these parameters, in an order that stays while they do."""
    state = optimizer.state
    return state.values() if len(state) in (0, len(params)) else [state[p] for p in params if p in state]


def _words(groups: list[Group], works: list[Work]) -> list[Any]:
    """All that decides on engines and tables but the tensors: when it changes, choose again."""
    flags = ([group.get(name) for name in ("foreach", "fused", "capturable", "differentiable")] for group in groups)
    return list(chain(flags, map(words_of, works)))
