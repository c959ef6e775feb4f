"""One step of some parameter groups: those tensors that a table holds in one call, each other by its own engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any
from warnings import warn

import torch
from torch import Tensor
from torch.optim.optimizer import _device_dtype_check_for_fused  # pyright: ignore[reportPrivateUsage]

from ..caller import level_of_caller
from ..engines import (
    Choice,
    GroupStep,
    KernelError,
    StepDecision,
    StepGuard,
    UntraceableError,
    choose,
    gradient_norm,
)
from ..engines.layouts import is_plain
from ..engines.memory import Memory
from ..regularizers import L2
from ..rules import Rule, Scalar
from ..sharded.reduction import Reduction, reduction_over
from ..sharded.rule import rule_on_shard
from ..sharded.stand_ins import OVER, Shards, any_sharded
from ..update import Update
from .checkpoints import convert_state
from .groups import GLOBAL, CyclicPeaks, Group, GroupView, is_on_cpu, is_on_purpose, number
from .plan import Part, Plan, States, group_key, halves, run


class Stepper:
    """What is kept between two steps of some groups: a plan of the last one, as long as it holds.

    It knows parameter groups, their states and a guard, and nothing of an optimizer. ``name`` stands in errors,
    ``rule_of`` makes a group's rule of its flags. ``peaks`` finds the base learning rates that a scheduler keeps to
    itself; None for groups that none drives.
    """

    def __init__(self, name: str, rule_of: Callable[[Group], Rule], peaks: CyclicPeaks | None = None) -> None:
        self.name, self.rule_of, self.peaks = name, rule_of, peaks
        self.warnings = StepWarnings()
        self.memories = dict[int, Memory]()
        self.process_group: Any = None
        self._plan: Plan | None = None
        self._shards: Shards | None = None

    def view(self, group: Group) -> GroupView:
        """The group, read in the algebra's terms."""
        rule, over = self.rule_of(group), group.get(OVER)
        return GroupView(group, rule if over is None else rule_on_shard(rule, over))

    def step(self, groups: list[Group], state: States, guard: StepGuard) -> bool | Tensor:
        """Step all parameters that have gradients, unless the guard says to skip.

        Of DTensors the shards that lie here are stepped. Returns whether a step was made or, where only the device
        knows, a number there that is not 0 if none was.
        """
        if not any_sharded(groups):
            self._shards = None
            return self._step(groups, state, guard)
        if self.peaks is not None:
            self.peaks.read(groups)
        shards = self._shards = self._shards or Shards()
        local = shards.local(groups, list(map(self.view, groups)))
        self.warnings.places = shards.places
        own = shards.take(state)
        try:
            return self._step(local, own, guard)
        finally:
            shards.publish(own, state)

    def _step(self, groups: list[Group], state: States, guard: StepGuard) -> bool | Tensor:
        plan, (params, grads) = self._plan, with_gradients(groups)
        fits = plan is not None and plan.fits(params, grads, state)
        norm = plan.norm if plan and fits and plan.whole else self._norm_anew(groups, state, grads)
        here = grads if self._shards is None else list(map(self._shards.gradient, params, grads))
        decision = guard(here, norm, partial(self.reduction, params))
        if decision.skip is not None:
            decides = plan.decides_on_device if plan and fits else self._may_undo(groups, state)
            decision = decision if decides else decision.settled()
        if decision.act == "skip":
            return False
        if plan is None or not fits:
            self._step_anew(groups, state, decision)
        elif not self._step_again(plan, groups, params, state, decision):
            decision = decision.settled()
            if decision.act == "skip":
                return False
            self._step_anew(groups, state, decision)
        return True if decision.skip is None else decision.skip

    def _may_undo(self, groups: list[Group], state: States) -> bool:
        """Whether a step may be made and taken back on the device: its engines read nothing, and its tensors are plain.

        Not where a state begins, for whether it is there is known here.
        """
        for view, group in ((self.view(group), group) for group in groups):
            params = [p for p in group["params"] if p.grad is not None]
            step = view.step(params, [state.get(p, {}) for p in params])
            off = view.engine is None and not any(p.is_cpu for p in params)  # there is no native engine there
            if step.mode != "capturable" or not (off or view.engine in ("eager", "foreach")):
                return False
            for p, own in zip(params, step.states, strict=True):
                wanted = {*step.needed(p), *(spec.name for spec in view.rule.states if spec.is_of(p))}
                if not all(map(is_plain, (p, p.grad, *map(own.get, wanted)))):
                    return False
        return True

    def reduction(self, params: list[Tensor]) -> Reduction | None:
        """Over which processes the gradients of these parameters lie; None if they are all here."""
        if self._shards is not None:
            return self._shards.reduction(params, self.process_group)
        return None if self.process_group is None else reduction_over(self.process_group, params)

    def choices(self, groups: list[Group], state: States) -> list[Choice]:
        """For each group the engine that a step would take now; where its tensors differ, all their names together."""
        shards, local, own = Shards(), groups, state
        if any_sharded(groups):
            local = shards.local(groups, list(map(self.view, groups)))
            own = shards.take(state)
        found: list[list[tuple[Choice, GroupStep]]] = [[] for _ in groups]
        for k, group in zip(shards.places or range(len(groups)), local, strict=True):
            found[k] += self._chosen(group, own)
        return list(map(_summary, found))

    def _chosen(self, group: Group, state: States) -> list[tuple[Choice, GroupStep]]:
        view, params = self.view(group), [p for p in group["params"] if p.grad is not None] or group["params"]
        step = view.step(params, [dict(state.get(p, {})) for p in params])
        for p, own in zip(params, step.states, strict=True):
            own.update(step.clocks_of(own, view.clock_place(p)))
        return choose(step, view.engine)

    def _step_again(
        self, plan: Plan, groups: list[Group], params: list[Tensor], state: States, decision: StepDecision
    ) -> bool:
        """The tensors are those of the plan: give it this step's numbers and run it; False if its words do not hold."""
        self._plan = None  # whatever cuts this short, no row is taken for filled that is not
        moved = plan.settings.moved(groups)
        if moved is None:
            views = [self.view(_without_params(group)) for group in groups]
            if list(map(group_key, views)) != plan.keys:
                return False
            plan.renew(groups, views)
        elif moved:
            plan.move(moved)
        for k in plan.halves if moved is None else moved:
            if plan.watched[k]:
                self.warnings.look(k, plan.views[k], plan.halves[k])
        others = [] if plan.whole else self._others(plan, groups, state, decision.factor)
        if any(choice.table for _, choice, _ in others):
            return False
        try:
            plan.run(params, decision.factor, decision.skip)
        except (KernelError, UntraceableError):
            return False
        run(others)
        self._plan = plan
        return True

    def _others(self, plan: Plan, groups: list[Group], state: States, factor: Scalar) -> list[Part]:
        """The step of what is not in the plan's table."""
        parts = list[Part]()
        for k, params in plan.others_of(groups):
            self.warnings.look(k, plan.views[k], halves(params))
            parts += self._prepared(k, plan.views[k], params, state, factor)
        return parts

    def _step_anew(self, groups: list[Group], state: States, decision: StepDecision) -> None:
        """Choose an engine for each tensor; if some go into a table, keep what was planned."""
        self._plan = None
        if self.peaks is not None and self._shards is None:
            self.peaks.read(groups)
        views = [self.view(_without_params(group)) for group in groups]
        stepped = [[p for p in group["params"] if p.grad is not None] for group in groups]
        only_begin = self._only_begins(views, stepped, state)
        parts = list[Part]()
        for k, (view, params) in enumerate(zip(views, stepped, strict=True)):
            self.warnings.look(k, view, halves(params))
            parts += self._prepared(k, view, params, state, decision.factor, only_begin)
        tabled = [part for part in parts if part[1].table]
        others = [part for part in parts if not part[1].table]
        params = list(chain.from_iterable(stepped))
        if tabled:
            plan = Plan(groups, views, tabled, others)
            plan.run(params, decision.factor, decision.skip)
            self._plan = None if only_begin else plan
        run(others, decision.skip)
        for p in params:
            if p in state and not state[p]:
                del state[p]  # SGD without momentum keeps none

    def _prepared(
        self, k: int, view: GroupView, params: list[Tensor], state: States, factor: Scalar, only_begin: bool = False
    ) -> list[Part]:
        """The group's step of these parameters, their states begun or brought to its formats, by engines."""
        states = [state.get(p, {}) for p in params]
        step = view.step(params, states, factor)
        self._refuse(view, step)
        state.update(zip(params, states, strict=True))
        if self.memories.setdefault(k, step.memory) != step.memory:
            self.memories[k] = step.memory
            for p, own in zip(params, states, strict=True):
                converted = convert_state(view, p, own, "of a parameter")
                own.clear()
                own.update(converted)
        for p, own in zip(params, states, strict=True):
            step.begin(p, own, view.clock_place(p))
        if only_begin:
            step = replace(step, update=Update(view.rule, view.decay, L2()), lam=0.0)
        return [(k, choice, part) for choice, part in choose(step, view.engine)] if params else []

    def _only_begins(self, views: list[GroupView], stepped: list[list[Tensor]], state: States) -> bool:
        """Whether a step is only made to have its states: the first one, with lr 0 and no gradient but zeros.

        So torch.distributed.checkpoint reads an optimizer that has not stepped yet; a decay that leaves the learning
        rate out, or a constraint, would move the weights. Its 0 is a number or a tensor on the CPU: no device is asked.
        """
        moving = [v for v in views if v.regularizer.constraint or v.decay.multiplier == "one"]
        at_hand = all(isinstance(v.lr, int | float) or is_on_cpu(v.lr) for v in views)
        if any(map(len, state.values())) or not moving or not at_hand or any(number(v.lr) != 0 for v in views):
            return False
        if not any(v.regularizer.constraint or number(v.lam) for v in moving):
            return False
        params = list(chain.from_iterable(stepped))
        there = any(bool(p.grad.count_nonzero()) for p in params if p.grad is not None)
        if self._shards is not None:  # a shard may have zeros alone
            there = bool(self._shards.reduction(params, self.process_group).total([there]))
        return not there

    def _refuse(self, view: GroupView, step: GroupStep) -> None:
        """torch's errors for sparse gradients and for ``fused=True``, and one for decays that read the direction."""
        if view.group.get("fused"):
            for p in step.params:
                _device_dtype_check_for_fused(p)
        update = step.update
        if update.rule.sparse == "required" and not all(g.is_sparse for g in step.grads):
            raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
        if not any(g.is_sparse for g in step.grads):
            return
        if update.rule.sparse == "refused":
            if view.rule.functor == "Adam":  # in torch's words, for AdamW too
                raise RuntimeError("Adam does not support sparse gradients, please consider SparseAdam instead")
            raise RuntimeError(f"{self.name} does not support sparse gradients")
        place = update.placed(step.lam)
        if place.name in ("before", "cautious") or (place.name != "none" and update.rule.sparse != "whole"):
            raise RuntimeError(
                f"weight_decay by {update.decay} is not compatible with sparse gradients in {self.name}; "
                "set weight_decay=0 for that group, or use SGD with an explicit or implicit decay."
            )

    def _norm_anew(self, groups: list[Group], state: States, grads: list[Tensor]) -> Callable[[], float] | None:
        """The norm as a table sums it, if all are to have one: so what is resumed clips by the very same factor."""
        if not groups or not any(groups[0].get(name) for name in GLOBAL):
            return None
        native = all(choice.name == "native" for group in groups for choice, _ in self._chosen(group, state))
        return partial(gradient_norm, grads) if native else None


class StepWarnings:
    """Warns once for each parameter group of what its numbers do and nobody wants; ``first`` is the first index."""

    def __init__(self, first: int = 0) -> None:
        self._first = first
        self.places: Sequence[int] | None = None
        """Which group of the user's each one is, where they were cut into several."""
        self._seen: dict[int, tuple[Any, ...]] = {}
        self._warned: set[tuple[int, str]] = set()

    def look(self, k: int, view: GroupView, dtypes: frozenset[torch.dtype]) -> None:
        """Look at the numbers of group ``k``, where they changed; ``dtypes`` are those in half precision there."""
        numbers = (view.lr, view.lam, view.memory)
        if any(isinstance(x, Tensor) for x in numbers) or self._seen.get(k) == numbers:
            return
        self._seen[k] = numbers
        η = view.multiplier(view.lr)
        if η > 1.001 and not is_on_purpose():  # by less, a learning rate is rounded
            self._warn(k, "eta", _beyond_peak(view, float(η)))
        if dtypes and view.memory.rounding == "nearest":
            self._warn(k, "lost", _lost(view, float(η), dtypes))

    def _warn(self, k: int, kind: str, text: str | None) -> None:
        if text and (k, kind) not in self._warned:
            self._warned.add((k, kind))
            place = self._first + (k if self.places is None else self.places[k])
            warn(f"parameter group {place}: {text}", UserWarning, stacklevel=level_of_caller())


def _beyond_peak(view: GroupView, η: float) -> str:
    return (
        f"lr={view.lr:.4g} is above the base learning rate {view.base_lr:.4g}, so that decay '{view.decay}' takes η = "
        f"{η:.4g} times λ; if that is the peak of a schedule, give it as base_lr= to the optimizer or the group."
    )


def _lost(view: GroupView, η: float, dtypes: frozenset[torch.dtype]) -> str | None:
    """What is to be said, if the decay by 1 − τ or 1/(1 + τ) is nearer to 1 than half a unit of the weights' dtype."""
    decay, place = view.decay, view.update.placed(view.lam)
    if place.name in ("none", "before") or decay.needs_metric or not isinstance(view.regularizer, L2):
        return None
    τ = float(decay.scale(view.lr, η, 1.0) * view.lam)
    factor = 1 / (1 + τ) if place.name == "implicit" else 1 - τ
    for dtype in dtypes:
        if 0 < abs(τ) < torch.finfo(dtype).eps / 4:
            return (
                f"the decay multiplies the weights by {factor:.10g} a step, nearer to 1 than {dtype} can tell, so that "
                "rounded to nearest it alone never moves one; rounding='kahan' or 'stochastic' keeps it."
            )
    return None


def with_gradients(groups: list[Group]) -> tuple[list[Tensor], list[Tensor]]:
    """The parameters that have gradients, and these."""
    params: list[Tensor] = groups[0]["params"] if len(groups) == 1 else [p for g in groups for p in g["params"]]
    grads = [p.grad for p in params]
    there = [g for g in grads if g is not None]
    return (params if len(there) == len(grads) else [p for p in params if p.grad is not None]), there


def _without_params(group: Group) -> Group:
    """The settings alone, to be kept: with the parameters they would keep those alive."""
    return {name: x for name, x in group.items() if name != "params"}


def _summary(chosen: list[tuple[Choice, GroupStep]]) -> Choice:
    """Of one group: the engine of all its tensors, or how many tensors each engine has."""
    if len(chosen) == 1:
        return chosen[0][0]
    name = ", ".join(dict.fromkeys(choice.name for choice, _ in chosen))
    return replace(
        chosen[0][0],
        name=name,
        reason="; ".join(f"{choice.name}: {len(part.params)} tensors, {choice.reason}" for choice, part in chosen),
    )
