"""The torch.optim face: what the engines compute, behaving in every respect as ``torch.optim.Optimizer`` does."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, cast

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT
from torch.utils.hooks import RemovableHandle

from ..decays.schedule import WeightDecaySchedule
from ..engines import Choice, GlobalGradOptions, StepDecision
from ..engines.global_gradient import STEP, FastNorm, FindReduction
from ..registry import RuleFactory, by_fields, entry_of
from ..rules import Rule, Scalar
from ..sharded.reduction import LOST, check_flat_shards
from . import checkpoints, signature
from .groups import (
    BASE_LR,
    SKIPPED,
    CyclicPeaks,
    DecaySpec,
    Group,
    GroupView,
    in_place_of,
    note_base_lr,
    placeholder,
    warn_of_near_misses,
)
from .new_groups import GroupDefaults, RuleGroup, by_group, note_optimizer, required_settings
from .stepper import Stepper


class Optimizer(torch.optim.Optimizer):
    """rule × decay × regularizer, as a ``torch.optim.Optimizer``.

    ::

        g = place.before(w, g, λ, R)                    coupled: g + λ∇R(w); else g
        u, D = rule(g)                                  the direction and its metric
        w ← place.after(w − lr·u, τ, R)                 −τ∇R(w), or prox_{τR};  τ = λ · (lr | η | lr·η | lr/D | 1)

    Args:
        params: the parameters, of any shape; or named pairs, or dicts of parameter groups with settings of their own.
        lr: the learning rate, a number or a tensor of one element, in units of the parameter per unit of u.
        weight_decay: λ, a number, a tensor of one element, a schedule of ``halflife.schedules`` or a time such as
            ``halflife.HalfLife``, which becomes the λ of each group; with ``capturable`` a schedule's is in a tensor.
        decay: how λ enters: "coupled", "decoupled", "independent", "proximal", "proximal_lr", "euclidean",
            "corrected", "cautious" or a ``halflife.Decay``. None is the class's own, and else as torch's flags say.
        regularizer: R, one of ``halflife.regularizers``; None is ½‖w‖².
        direction: "normalized" makes each step lr times as long as the tensor was at first, whatever the rule; with
            ``regularizers.Sphere()`` and a proximal decay that is Hyperball.
        base_lr: α, by which the schedule is measured: η = lr/α. None is the group's lr when it is added.
        rounding: of bfloat16 and half parameters, "nearest", "stochastic" or "kahan".
        state_dtype: of the rule's states, None (as the parameter), ``torch.float32``, ``torch.bfloat16`` or "8bit".
        max_grad_norm: the L2 norm of all gradients to which they are clipped, without writing them.
        ema_decay: the share of the old average in the weights' running average, for ``with optimizer.averaged():``.
        skip_nonfinite: whether a step in which any gradient has NaN or infinity changes nothing but ``skipped_steps``.
        engine: "native", "cuda", "compiled", "foreach" or "eager"; None is the fastest that fits.
        process_group: the processes over which gradients are summed for ``max_grad_norm``, ``skip_nonfinite`` and a
            ``GradScaler``, not saved. DTensors say it themselves; ZeRO's and FSDP1's shards, plain tensors, do not.
        foreach, fused, maximize, capturable, differentiable: as in torch.

    ``max_grad_norm``, ``skip_nonfinite`` and ``process_group`` are of the whole optimizer; a parameter group may set
    any other for itself. With the first two a ``torch.amp.GradScaler`` leaves unscaling and skipping to ``step()``.

    Raises:
        TypeError: for an argument that the class does not have, or one of another type; torch's own for its own.
        ValueError: for a number out of range, an unknown word, or a decay that the regularizer cannot follow.

    Example:
        A class statement gives a rule, one of your own too, every argument above, and the rule's fields:
        >>> class ProxLion(halflife.Optimizer, rule=halflife.rules.Lion, lr=1e-3, decay="proximal"): ...
        >>> w = torch.nn.Parameter(torch.tensor([1.0, 0.0015]))
        >>> optimizer = ProxLion([w], weight_decay=1e-3, regularizer=halflife.regularizers.L1())
        >>> w.grad = torch.tensor([0.5, 100.0])
        >>> optimizer.step()
        >>> w.data
        tensor([0.9980, 0.0000])
    """

    _rule: ClassVar[type[Rule]]
    _factory: ClassVar[RuleFactory]
    _signature: ClassVar[inspect.Signature | None] = None
    _torch_class: ClassVar[type[torch.optim.Optimizer] | None] = None
    _torch_names: ClassVar[tuple[str, ...]] = ()
    _skips: Tensor | None = None  # on the device, not counted yet
    grad_norm: Scalar | None = None
    """The norm of all gradients in the last step, before clipping, if ``max_grad_norm`` or ``skip_nonfinite`` asks."""
    late_decay: WeightDecaySchedule | DecaySpec | None
    """What gives λ to groups that are added later. A schedule is not pickled with its optimizer, but sets itself here
    when both are, so that one of a lambda forbids no pickle."""

    def __init_subclass__(cls, rule: type[Rule] | None = None, **defaults: Any) -> None:
        """``rule`` is the class of the rule, if it is not the base's; any other keyword is a new default."""
        super().__init_subclass__()
        for torch_class in filter(signature.is_torchs, cls.__bases__[::-1]):
            cls._torch_class, cls._torch_names = torch_class, tuple(inspect.signature(torch_class).parameters)
        shown, init = cls._signature, vars(cls).get("__init__")
        if rule is not None:
            signature.check_rule(cls.__name__, rule)
            entry, cls._rule = entry_of(rule), rule
            cls._factory = staticmethod(by_group(entry.factory if entry else by_fields(rule)))
            shown = signature.of_rule(rule)
            if cls._torch_class is not None:
                shown = signature.of_text(cls._torch_class.__init__, cls._torch_class, None)
        if signature.is_constructor(init):
            shown = signature.of_text(init, cls._torch_class, cls._signature)
        if shown is None:
            if defaults:
                raise TypeError(signature.without_rule(cls.__name__))
            return
        cls._signature = signature.with_defaults(cls.__name__, shown, defaults)
        note_optimizer(cls.__name__, cls._rule, cls._signature)
        if signature.is_constructor(cls.__init__):
            cls.__init__ = signature.published(cls.__init__, cls, cls._signature)  # type: ignore[method-assign]

    @signature.constructor
    def __init__(self, params: ParamsT, *args: Any, **settings: Any) -> None: ...

    def _construct(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Bind and check the arguments, let torch's class see its own, and keep the rest for every group."""
        if self._signature is None:
            raise TypeError(signature.without_rule(type(self).__name__))
        given = signature.bound(type(self).__name__, self._signature, args, keywords)
        default = {name: p.default for name, p in self._signature.parameters.items()}
        settings = {**default, **given, "decay": given.get("decay") or default["decay"]}
        self._given = frozenset(given)
        if "weight_decay" not in given and settings["decay"] is not None:
            settings["weight_decay"] = signature.same_decay_per_step(self._signature, settings["decay"])
        params, λ, process_group = settings.pop("params"), settings["weight_decay"], settings.pop("process_group")
        self.late_decay = λ if isinstance(λ, WeightDecaySchedule | DecaySpec) else None
        settings["weight_decay"] = placeholder(λ)
        inherited = {name: settings[name] for name in self._torch_names if name != "params"}
        self._extra = {name: value for name, value in settings.items() if name not in inherited}
        signature.check_settings(self._extra)
        self._stepper = Stepper(type(self).__name__, type(self)._factory, CyclicPeaks())
        self.process_group = process_group
        self.schedules, self._unmoved, self._steps_since = list[WeightDecaySchedule](), list[WeightDecaySchedule](), 0
        self._zero_grad_hooks: OrderedDict[int, Callable[[Optimizer], None]] = OrderedDict()
        if self._torch_class is not None:
            self._construct_torchs(params, inherited)
            self.defaults.update(self._extra)
        else:
            torch.optim.Optimizer.__init__(self, params, dict(settings))
        if isinstance(λ, DecaySpec):
            self.defaults["weight_decay"] = λ  # for groups added to a copy

    def _construct_torchs(self, params: ParamsT, settings: dict[str, Any]) -> None:
        """What torch's class of this name does when it is made, with its own words for what it does not take."""
        cast("Any", self._torch_class).__init__(self, params, **settings)

    def add_param_group(self, param_group: Group) -> None:
        """Add ``param_group``, as in torch; its learning rate at this moment is its own base learning rate α."""
        own, named, given = frozenset[str](), None, None
        if isinstance(param_group, dict) and self._signature is not None:  # pyright: ignore[reportUnnecessaryIsInstance]
            own = frozenset(param_group)
            param_group = RuleGroup(param_group) if param_group.get("rule") is not None else param_group
            common = GroupDefaults(self._rule, self._signature, self._given, self._extra)
            named, given = common.complete(param_group, self.defaults, self.late_decay, self.param_groups)
        super().add_param_group(param_group)
        try:
            if named is not None:
                named.keep_own(param_group, self.defaults)
            note_base_lr(param_group, own)
            α = param_group[BASE_LR]
            param_group[SKIPPED] = self.param_groups[0].get(SKIPPED, 0)
            checkpoints.leave_out_implied(param_group)
            view = self.view(param_group)
            view.check(self.param_groups[0])
            check_flat_shards(param_group, view.regularizer, self.process_group)
        except Exception:
            self.param_groups.pop()
            raise
        warn_of_near_misses(param_group, self.defaults)
        if isinstance(given, WeightDecaySchedule):
            given.attach(self, len(self.param_groups) - 1, base_lr=α)
        elif not isinstance(given, DecaySpec) and "weight_decay" in own | self._given:
            view.warn_of_large_decay()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Perform one optimization step; returns the loss of ``closure``, if one is given."""
        compiling = torch.compiler.is_compiling()
        if not compiling:
            self._check_graph_capture()
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if compiling:
            with torch.set_grad_enabled(bool(self.defaults["differentiable"])):
                _step_in_graph(self)
            return loss
        before = torch.is_grad_enabled()
        torch._C._set_grad_enabled(bool(self.defaults["differentiable"]))  # pyright: ignore[reportPrivateUsage]
        try:
            self.make_step()
        finally:
            torch._C._set_grad_enabled(before)  # pyright: ignore[reportPrivateUsage]
        return loss

    def make_step(self) -> bool:
        """What ``step`` does once hooks and closure are done with: step, or skip and count that; whether it stepped."""
        for schedule in self.schedules:
            schedule.restore()
        stepped = self._stepper.step(self.param_groups, self.state, self._guard)
        if self._unmoved and (isinstance(stepped, Tensor) or stepped):
            self._steps_since += 1
            self._unmoved = [schedule for schedule in self._unmoved if schedule.warn_if_still(self._steps_since)]
        if isinstance(stepped, Tensor):
            self._skips = stepped.long() if self._skips is None else self._skips.add_(stepped)
            return True
        if not stepped:
            self._count_skips(1)
        return stepped

    def _count_skips(self, more: int) -> None:
        for group in self.param_groups:
            group[SKIPPED] = group.get(SKIPPED, 0) + more

    @property
    def process_group(self) -> Any:
        """The processes over which gradients are summed, where that was said."""
        return self._stepper.process_group

    @process_group.setter
    def process_group(self, group: Any) -> None:
        self._stepper.process_group = group

    def new_stepper(self) -> Stepper:
        """Another stepper for groups like this optimizer's, some of their parameters by themselves for instance."""
        stepper = Stepper(type(self).__name__, type(self)._factory)
        stepper.process_group = self.process_group
        return stepper

    def watch(self, schedule: WeightDecaySchedule) -> None:
        """Follow a ``schedule`` of λ that is attached here, and have it warn once if it is never stepped."""
        self.schedules.append(schedule)
        if schedule.length is not None:
            self._unmoved, self._steps_since = [*self._unmoved, schedule], 0

    def zero_grad(self, set_to_none: bool = True) -> None:
        """As in torch, ``set_to_none`` too; then whoever asked for it is told."""
        super().zero_grad(set_to_none)
        for hook in tuple(self._zero_grad_hooks.values()):
            hook(self)

    def register_zero_grad_hook(self, hook: Callable[[Optimizer], None]) -> RemovableHandle:
        """Have ``hook(optimizer)`` called after each ``zero_grad()``."""
        handle = RemovableHandle(self._zero_grad_hooks)
        self._zero_grad_hooks[handle.id] = hook
        return handle

    def global_grad_options(self) -> GlobalGradOptions | None:
        """What is asked of all gradients together, by the groups and by a ``GradScaler``; None if nothing is."""
        first = self.param_groups[0] if self.param_groups else {}
        norm, skip = first.get("max_grad_norm"), first.get("skip_nonfinite")
        scale, found = getattr(self, "grad_scale", None), getattr(self, "found_inf", None)
        if norm is None and not skip and scale is None and found is None:
            return None
        plain = not (first.get("differentiable") or first.get("capturable"))
        read = plain and all(p.is_cpu for group in self.param_groups for p in group["params"])
        return GlobalGradOptions(norm, "skip" if skip else "step", scale, found, read=read)

    def _guard(self, grads: Sequence[Tensor], fast_norm: FastNorm | None, reduction: FindReduction) -> StepDecision:
        options = self.global_grad_options()
        if options is None:
            return STEP
        decision = options.decide(grads, fast_norm, reduction())
        self.grad_norm = decision.norm
        return decision

    def view(self, group: Group) -> GroupView:
        """A ``group`` in the algebra's terms: its rule, decay, regularizer, and the ``update`` of the three."""
        return self._stepper.view(group)

    @property
    def skipped_steps(self) -> int:
        """How many steps skipped themselves because a gradient was not finite.

        One that a ``torch.amp.GradScaler`` does not call is not counted: without ``max_grad_norm``, ``skip_nonfinite``,
        ``fused`` and low-precision rounding it unscales and skips by itself, as it does for torch's optimizers.
        """
        if self._skips is not None:
            self._count_skips(int(self._skips))
            self._skips.zero_()
        return max((group.get(SKIPPED, 0) for group in self.param_groups), default=0)

    @contextmanager
    def averaged(self) -> Generator[None, None, None]:
        """``with optimizer.averaged():`` puts the averages kept by ``ema_decay`` in the parameters' place for a while.

        On leaving, also by an exception, the parameters have their own bits again; what the block writes into them, or
        steps, is lost. Before its first step a parameter is its own average. Raises ``RuntimeError`` if none is kept.
        """
        groups = [group for group in self.param_groups if group.get("ema_decay") is not None]
        if not groups:
            raise RuntimeError(
                "no parameter group keeps an average of its weights; give ema_decay, 0.999 for instance."
            )
        params: list[Tensor] = [p for group in groups for p in group["params"] if "ema" in self.state.get(p, {})]
        with in_place_of([(p, self.state[p]["ema"]) for p in params]):
            yield

    def _check_graph_capture(self) -> None:
        check = getattr(super(), "_accelerator_graph_capture_health_check", None)
        (check or super()._cuda_graph_capture_health_check)()

    @property
    def _step_supports_amp_scaling(self) -> bool:
        """By this a ``torch.amp.GradScaler`` leaves unscaling and the verdict to ``step()``.

        True only where a step gains by it, as with torch's own if fused: it looks at all gradients anyway, or they may
        be half, which torch does not unscale. Else the scaler does it: Lightning clips for no optimizer that says True.
        """
        if self.__dict__.get("_said_to_unscale", False) or not self.param_groups:
            return self.__dict__.get("_said_to_unscale", False)
        group = self.param_groups[0]
        looks = group.get("max_grad_norm") is not None or group.get("skip_nonfinite") or group.get("fused")
        return bool(looks) or group.get("rounding", "nearest") != "nearest"

    @_step_supports_amp_scaling.setter
    def _step_supports_amp_scaling(self, said: bool) -> None:
        """Torch's constructors do, for ``fused=True``."""
        self.__dict__["_said_to_unscale"] = said

    def unscale_in_step(self, said: bool) -> None:
        """Have a ``GradScaler`` come to ``step()`` with its scale (``said``), or decide by itself again."""
        self._step_supports_amp_scaling = said

    def engines(self) -> list[Choice]:
        """For each parameter group, the engine that a step would take now, and why."""
        return self._stepper.choices(self.param_groups, self.state)

    def __repr__(self) -> str:
        lines = [line for line in super().__repr__().splitlines(keepends=True) if not line.startswith("    engine: ")]
        text = "".join(lines)
        for index, (group, choice) in enumerate(zip(self.param_groups, self.engines(), strict=True)):
            view = self.view(group)
            update = f"{type(view.rule).__name__} × ({view.decay}) × {view.regularizer!r}"
            title = f"Parameter Group {index}\n"
            text = text.replace(title, f"{title}    update: {update}\n    engine: {choice.name} ({choice.reason})\n")
        return text

    def state_dict(self) -> dict[str, Any]:
        """As torch's: plain numbers, strings and tensors, so that ``torch.load(weights_only=True)`` reads it."""
        for pre_hook in self._optimizer_state_dict_pre_hooks.values():
            pre_hook(self)
        _ = self.skipped_steps  # those that only the device has counted so far are in the groups from here on
        state_dict = checkpoints.pack(self.param_groups, self.state, self.view)
        for post_hook in self._optimizer_state_dict_post_hooks.values():
            replaced = post_hook(self, state_dict)
            state_dict = state_dict if replaced is None else replaced
        return state_dict

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the ``state_dict`` of this class, or of torch's class of the same name.

        Raises an error that names the key for a wrong or truncated one, and then changes nothing.
        """
        state_dict = state_dict.copy()
        for pre_hook in self._optimizer_load_state_dict_pre_hooks.values():
            replaced = pre_hook(self, state_dict)
            state_dict = state_dict if replaced is None else replaced
        own = self._torch_names or tuple(self._signature.parameters if self._signature else ())
        self.__setstate__(
            checkpoints.unpack(state_dict, self.param_groups, self.view, partial(required_settings, own=own))
        )
        for post_hook in self._optimizer_load_state_dict_post_hooks.values():
            post_hook(self)

    def __getstate__(self) -> dict[str, Any]:
        own = {name: self.__dict__[name] for name in ("_extra", "_given") if name in self.__dict__}
        return {**super().__getstate__(), **own, "process_group": self.process_group and LOST}

    def __setstate__(self, state: dict[str, Any]) -> None:
        group = state.pop("process_group", None)
        mixed = any(isinstance(group, RuleGroup) for group in state.get("param_groups", ()))
        if mixed:  # torch's class would give its own settings to every group
            torch.optim.Optimizer.__setstate__(self, state)
        else:
            super().__setstate__(state)
        unpickled: dict[str, Any] = {"_extra": {}, "late_decay": None, "_given": frozenset({"weight_decay"})}
        unpickled["_stepper"] = Stepper(type(self).__name__, type(self)._factory, CyclicPeaks())
        unpickled |= {"_unmoved": [], "_steps_since": 0, "schedules": [], "_zero_grad_hooks": OrderedDict()}
        self.__dict__.update({**unpickled, **self.__dict__})
        self.process_group = self.process_group or group


def _step_in_graph(optimizer: Optimizer) -> None:
    """The step in a graph of ``torch.compile``, by a module that takes as long to import as all of torch."""
    from .traced import step_traced  # noqa: PLC0415

    step_traced(optimizer)
