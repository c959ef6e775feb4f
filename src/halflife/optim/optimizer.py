"""The torch.optim face: what the engines compute, behaving in every respect as ``torch.optim.Optimizer`` does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..decays import named
from ..decays.schedule import WeightDecaySchedule
from ..engines import Choice, Memory, Work, choose, start_beside, start_state
from ..rules import Rule, Scalar
from . import checkpoints, doors, signature
from .amounts import Amount, placeholder, resolved
from .average import averaged
from .compiling import step_compiling
from .groups import (
    SKIPPED,
    Group,
    admit,
    clock_place,
    decay_of,
    demands_of,
    regularizer_of,
    shared,
    work_of,
)
from .restore import reform
from .scaling import UnderScaler
from .stepping import Stepping

KEYWORDS: dict[str, Any] = {
    **{"decay": None, "regularizer": None},
    **{"rounding": "nearest", "state_dtype": None},
    **{"max_grad_norm": None, "ema_decay": None, "skip_nonfinite": False},
}


class Optimizer(UnderScaler, torch.optim.Optimizer):
    """rule × decay × regularizer, as a ``torch.optim.Optimizer``.

    Every class takes, beside its rule's hyper-parameters, ``weight_decay`` (a number, a 0-d tensor, a schedule from
    ``halflife.schedules`` or a ``halflife.HalfLife``), ``decay`` (a treatment's name or a ``Decay``; None does as
    torch does) and ``regularizer`` (None is ½‖w‖²); a parameter group may set its own. A rule of one's own gets this
    face by::

        class MyOptimizer(halflife.Optimizer, rule=MyRule, lr=1e-3, decay="proximal", weight_decay=1e-5): ...

    Low precision, for each group: ``rounding`` of bfloat16 and half parameters ("nearest", "stochastic", "kahan") and
    ``state_dtype`` of the rule's states (None, torch.float32, torch.bfloat16, "8bit"); see ``engines.memory.Memory``.
    The pass after backward: ``max_grad_norm`` clips the L2 norm of all gradients, without writing them; with
    ``skip_nonfinite`` a step in which any gradient has NaN or infinity changes nothing but ``skipped_steps``; both are
    of the whole optimizer. ``ema_decay`` keeps an average of the weights, for ``with optimizer.averaged():``. With
    ``max_grad_norm`` or ``skip_nonfinite`` a ``torch.amp.GradScaler`` leaves unscaling and skipping to ``step()``.

    Raises torch's own errors for torch's arguments, and ``ValueError`` for an unknown decay or one that the
    regularizer cannot follow.
    """

    _door: ClassVar[doors.Door]
    _face: ClassVar[inspect.Signature]
    _torch_names: ClassVar[tuple[str, ...]] = ()
    _fixed: ClassVar[dict[str, Any]] = {}
    grad_norm: Scalar | None = None
    """The norm of all gradients in the last step, before clipping, if ``max_grad_norm`` or ``skip_nonfinite`` asks."""
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(
        cls, rule: Any = None, extra: dict[str, Any] | None = None, fixed: dict[str, Any] | None = None, **defaults: Any
    ) -> None:
        """``rule`` is a ``Rule`` or a door to one, ``extra`` adds keywords, any other keyword is a new default.

        ``fixed`` holds in every group, whatever a checkpoint says.
        """
        super().__init_subclass__()
        cls._fixed = fixed or cls._fixed
        added = {**(extra or {}), **KEYWORDS}
        if inspect.isclass(rule):
            cls._door, cls._face = staticmethod(doors.by_fields(rule)), signature.of_rule(rule, added)  # type: ignore[arg-type]
        elif rule is not None:
            torch_class = next(c for c in cls.__mro__ if c.__module__.startswith("torch.optim"))
            cls._door, cls._face = staticmethod(rule), signature.of_torch(torch_class, added)
            cls._torch_names = tuple(inspect.signature(torch_class).parameters)
        cls._face = signature.with_defaults(cls._face, defaults)
        cls.__signature__ = signature.of_init(cls.__init__) if "__init__" in cls.__dict__ else cls._face

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = self._face.bind(*args, **kwargs).arguments
        settings = {**{name: p.default for name, p in self._face.parameters.items()}, **given}
        self._default_decay = "weight_decay" not in given
        if self._default_decay and settings["decay"] is not None:
            settings["weight_decay"] = self._same_decay_per_step(settings["decay"])
        params, λ = settings.pop("params"), settings["weight_decay"]
        self._schedule = λ if isinstance(λ, WeightDecaySchedule | Amount) else None
        settings["weight_decay"] = placeholder(λ)
        signature.check_one_element("weight_decay", settings["weight_decay"])
        inherited = {name: settings.pop(name) for name in self._torch_names if name in settings}
        self._extra = {**settings, **self._fixed}
        signature.check_settings(settings)
        self._stepping, self._memories = Stepping(), dict[int, Memory]()
        if self._torch_names:
            super().__init__(params, **inherited)
            self.defaults.update(self._extra)
        else:
            super().__init__(params, dict(settings))
        if isinstance(λ, Amount):
            self.defaults["weight_decay"] = λ  # for groups added to a copy

    @classmethod
    def _same_decay_per_step(cls, decay: Any) -> float:
        """The λ that decays as much per step under this treatment as the default λ under the default one.

        torch's AdamW takes lr·λ = 1e-5 a step; left as 1e-2, its λ would decay a thousandfold in the paper's form.
        """
        default = {name: p.default for name, p in cls._face.parameters.items()}
        λ, lr = default["weight_decay"], default["lr"]
        was_paper, is_paper = (d is not None and named(d).step == "schedule" for d in (default["decay"], decay))
        return λ if was_paper == is_paper else λ * lr if is_paper else λ / lr

    def add_param_group(self, param_group: Group) -> None:
        """Add a group, as in torch; its learning rate at this moment is its own base learning rate α."""
        schedule = None
        if isinstance(param_group, dict):  # pyright: ignore[reportUnnecessaryIsInstance]
            schedule = param_group.get("weight_decay", self._schedule or self.defaults.get("weight_decay"))
            if self._default_decay and "decay" in param_group:
                param_group.setdefault("weight_decay", self._same_decay_per_step(param_group["decay"]))
            for name, value in {**self._extra, **shared(self.param_groups)}.items():
                param_group.setdefault(name, value)
            if isinstance(schedule, WeightDecaySchedule):
                param_group["weight_decay"] = schedule.value
            elif isinstance(schedule, Amount):
                param_group["weight_decay"] = resolved(schedule, {**self.defaults, **param_group})
        super().add_param_group(param_group)
        try:
            admit(param_group, self.param_groups[0])
        except Exception:
            self.param_groups.pop()
            raise
        if isinstance(schedule, WeightDecaySchedule):
            schedule.attach(self, len(self.param_groups) - 1)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Perform one optimization step; returns the closure's loss, if a closure is given."""
        compiling = torch.compiler.is_compiling()
        if not compiling:
            self._check_graph_capture()
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.set_grad_enabled(bool(self.defaults["differentiable"])):
            step = step_compiling if compiling else Stepping.step
            if not step(self._stepping, self, self._judge):
                self._count_skipped()
        return loss

    def _count_skipped(self) -> None:
        for group in self.param_groups:
            group[SKIPPED] = group.get(SKIPPED, 0) + 1

    def _judge(self, grads: list[Tensor], norm: Callable[[], float] | None) -> Scalar | None:
        """The factor that multiplies every gradient; None to skip the step. ``norm`` is a faster way to theirs."""
        demands = demands_of(self)
        if demands is None:
            return 1.0
        verdict = demands.of(grads, norm)
        self.grad_norm = verdict.norm
        return verdict.factor if verdict.act == "step" else None

    def _work(self, group: Group, params: list[Tensor], factor: Scalar = 1.0) -> Work:
        return work_of(group, self._rule(group), params, factor)

    def _rule(self, group: Group) -> Rule:
        return type(self)._door(group)

    def _reform(self, index: int, group: Group, work: Work) -> None:
        """Bring the states to the group's formats, where these were changed since its last step."""
        if self._memories.setdefault(index, work.memory) != work.memory:
            self._memories[index] = work.memory
            reform(work, group, self.state)

    def _state_of(self, work: Work, group: Group, p: Tensor) -> dict[str, Any]:
        state = self.state[p]
        if not state:
            state.update(start_state(work, p, *clock_place(group, p)))
        elif work.lacks(p, state):
            state.update({**start_beside(work, p, *clock_place(group, p)), **state})
        return state

    @property
    def skipped_steps(self) -> int:
        """How many steps skipped themselves because a gradient was not finite.

        One that a ``torch.amp.GradScaler`` does not call is not counted: without ``max_grad_norm``, ``skip_nonfinite``,
        ``fused`` and low-precision rounding it unscales and skips by itself, as it does for torch's optimizers.
        """
        return max((group.get(SKIPPED, 0) for group in self.param_groups), default=0)

    def averaged(self) -> AbstractContextManager[None]:
        """``with optimizer.averaged():`` puts the averages kept by ``ema_decay`` in the parameters' place for a while.

        On leaving, also by an exception, the parameters have their own bits again.
        """
        return averaged(self)

    def _check_graph_capture(self) -> None:
        check = getattr(super(), "_accelerator_graph_capture_health_check", None)
        (check or super()._cuda_graph_capture_health_check)()

    def engines(self) -> list[Choice]:
        """For each parameter group, the engine that a step would take now, and why."""
        chosen: list[Choice] = []
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None] or group["params"]
            work = self._work(group, params)
            chosen.append(choose(group, params, work.grads, regularizer_of(group), work))
        return chosen

    def __repr__(self) -> str:
        text = super().__repr__()
        for index, (group, choice) in enumerate(zip(self.param_groups, self.engines(), strict=True)):
            update = f"{type(self._rule(group)).__name__} × ({decay_of(group)}) × {regularizer_of(group)!r}"
            title = f"Parameter Group {index}\n"
            text = text.replace(title, f"{title}    update: {update}\n    engine: {choice.name} ({choice.reason})\n")
        return text

    def state_dict(self) -> dict[str, Any]:
        """As torch's: plain numbers, strings and tensors, so that ``torch.load(weights_only=True)`` reads it."""
        return checkpoints.save(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what ``state_dict()`` of this class, or of torch's class of the same name, returned.

        Raises an error that names the key for a wrong or truncated one, and then changes nothing.
        """
        checkpoints.load(self, state_dict)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        unpickled: dict[str, Any] = {"_extra": {}, "_schedule": None, "_default_decay": False}
        unpickled |= {"_stepping": Stepping(), "_memories": {}}
        self.__dict__.update({**unpickled, **self.__dict__})
        for group in self.param_groups:
            group.update(self._fixed)
