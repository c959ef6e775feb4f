"""The torch.optim face: what the engines compute, behaving in every respect as ``torch.optim.Optimizer`` does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..decays import named
from ..decays.schedule import WeightDecaySchedule
from ..engines import Choice, Work, choose, start_state
from ..rules import Rule
from ..step import Update
from . import checkpoints, doors, signature
from .groups import Group, admit, clock_place, decay_of, mode_of, multiplier, regularizer_of, scalar

OURS: dict[str, Any] = {"decay": None, "regularizer": None}


class Optimizer(torch.optim.Optimizer):
    """rule × decay × regularizer, as a ``torch.optim.Optimizer``.

    Every class takes, beside its rule's hyper-parameters, ``weight_decay`` (a number, a 0-d tensor or a schedule from
    ``halflife.schedules``), ``decay`` (a treatment's name or a ``Decay``; None does as torch does) and
    ``regularizer`` (None is ½‖w‖²); a parameter group may set its own. A rule of one's own gets this face by::

        class MyOptimizer(halflife.Optimizer, rule=MyRule, lr=1e-3, decay="proximal", weight_decay=1e-5): ...

    Raises torch's own errors for torch's arguments, and ``ValueError`` for an unknown decay or one that the
    regularizer cannot follow.
    """

    _door: ClassVar[doors.Door]
    _face: ClassVar[inspect.Signature]
    _torch_names: ClassVar[tuple[str, ...]] = ()
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, rule: Any = None, extra: dict[str, Any] | None = None, **defaults: Any) -> None:
        """``rule`` is a ``Rule`` or a door to one, ``extra`` adds keywords, any other keyword is a new default."""
        super().__init_subclass__()
        added = {**(extra or {}), **OURS}
        if inspect.isclass(rule):
            cls._door, cls._face = staticmethod(doors.by_fields(rule)), signature.of_rule(rule, added)  # type: ignore[arg-type]
        elif rule is not None:
            torch_class = next(c for c in cls.__mro__ if c.__module__.startswith("torch.optim"))
            cls._door, cls._face = staticmethod(rule), signature.of_torch(torch_class, added)
            cls._torch_names = tuple(inspect.signature(torch_class).parameters)
        cls._face = signature.with_defaults(cls._face, defaults)
        cls.__signature__ = inspect.signature(cls.__init__) if "__init__" in cls.__dict__ else cls._face

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        settings = self._completed(self._face.bind(*args, **kwargs).arguments)
        params, λ = settings.pop("params"), settings["weight_decay"]
        self._schedule = λ if isinstance(λ, WeightDecaySchedule) else None
        settings["weight_decay"] = λ.value if isinstance(λ, WeightDecaySchedule) else λ
        inherited = {name: settings.pop(name) for name in self._torch_names if name in settings}
        self._extra = settings
        if self._torch_names:
            super().__init__(params, **inherited)
            self.defaults.update(settings)
        else:
            signature.check_settings(settings)
            super().__init__(params, dict(settings))

    @classmethod
    def _completed(cls, given: dict[str, Any]) -> dict[str, Any]:
        """All settings by name. A default λ decays as much per step under another treatment as under the default one.

        torch's AdamW takes lr·λ = 1e-5 a step; left as 1e-2, its λ would decay a thousandfold in the paper's form.
        """
        defaults = {name: p.default for name, p in cls._face.parameters.items()}
        settings = {**defaults, **given}
        if "weight_decay" not in given and given.get("decay") is not None:
            was, now = (d is not None and named(d).step == "schedule" for d in (defaults["decay"], given["decay"]))
            settings["weight_decay"] = defaults["weight_decay"] * defaults["lr"] ** (now - was)
        return settings

    def add_param_group(self, param_group: Group) -> None:
        """Add a group, as in torch; its learning rate at this moment is its own base learning rate α."""
        schedule = None
        if isinstance(param_group, dict):  # pyright: ignore[reportUnnecessaryIsInstance]
            schedule = param_group.get("weight_decay", self._schedule)
            for name, value in self._extra.items():
                param_group.setdefault(name, value)
            if isinstance(schedule, WeightDecaySchedule):
                param_group["weight_decay"] = schedule.value
        super().add_param_group(param_group)
        try:
            admit(param_group)
        except Exception:
            self.param_groups.pop()
            raise
        if isinstance(schedule, WeightDecaySchedule):
            schedule.attach(self, len(self.param_groups) - 1)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Perform one optimization step; returns the closure's loss, if a closure is given."""
        self._check_graph_capture()
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.set_grad_enabled(bool(self.defaults["differentiable"])):
            for group in self.param_groups:
                self._step_group(group)
        return loss

    def _step_group(self, group: Group) -> None:
        params = [p for p in group["params"] if p.grad is not None]
        work = self._work(group, params)
        self._refuse_sparse(work)
        choice = choose(group, params, work.grads, work.update.regularizer)
        choice.run(work)
        for p, state in zip(params, work.states, strict=True):
            if state:
                self.state[p] = state

    def _work(self, group: Group, params: list[Tensor]) -> Work:
        decay = decay_of(group)
        work = Work(
            update=Update(self._rule(group), decay, regularizer_of(group)),
            lr=scalar(group["lr"]),
            eta=multiplier(group, decay),
            lam=scalar(group["weight_decay"]),
            params=params,
            grads=[p.grad for p in params if p.grad is not None],
            states=[],
            mode=mode_of(group),
            direction="maximize" if group["maximize"] else "minimize",
        )
        work.states.extend(self._state_of(work, group, p) for p in params)
        return work

    def _rule(self, group: Group) -> Rule:
        return type(self)._door(group)

    def _state_of(self, work: Work, group: Group, p: Tensor) -> dict[str, Any]:
        state = self.state.get(p)
        if state and not (work.update.regularizer.anchored and "anchor" not in state):
            return state
        return {**start_state(work, p, *clock_place(group, p)), **(state or {})}

    def _refuse_sparse(self, work: Work) -> None:
        """torch's two errors for sparse gradients, and one for the decays that read the direction's coordinates."""
        update = work.update
        if not any(g.is_sparse for g in work.grads):
            return
        if update.rule.sparse == "refused":
            raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")
        place = update.placed(work.lam)
        if place.name in ("before", "cautious") or (place.name != "none" and update.rule.sparse == "touched"):
            raise RuntimeError(
                f"weight_decay by {update.decay} is not compatible with sparse gradients in {type(self).__name__}; "
                "set weight_decay=0 for that group, or use SGD with an explicit or implicit decay."
            )

    def _check_graph_capture(self) -> None:
        check = getattr(super(), "_accelerator_graph_capture_health_check", None)
        (check or super()._cuda_graph_capture_health_check)()

    def engines(self) -> list[Choice]:
        """For each parameter group, the engine that a step would take now, and why."""
        chosen: list[Choice] = []
        for group in self.param_groups:
            grads = [p.grad for p in group["params"] if p.grad is not None]
            chosen.append(choose(group, group["params"], grads, regularizer_of(group)))
        return chosen

    def __repr__(self) -> str:
        lines = super().__repr__().rstrip(")").rstrip("\n").split("\n")
        for index, (group, choice) in enumerate(zip(self.param_groups, self.engines(), strict=True)):
            update = f"{type(self._rule(group)).__name__} × ({decay_of(group)}) × {regularizer_of(group)!r}"
            at = lines.index(f"Parameter Group {index}") + 1
            lines[at:at] = [f"    update: {update}", f"    engine: {choice.name} ({choice.reason})"]
        return "\n".join(lines) + "\n)"

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
        self._extra, self._schedule = getattr(self, "_extra", {}), getattr(self, "_schedule", None)
