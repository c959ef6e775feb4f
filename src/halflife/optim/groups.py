"""A parameter group, read as what the engines need, and checked when it is added."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from functools import cached_property
from math import log
from typing import Any, Protocol, get_args, runtime_checkable
from warnings import warn

import torch
from torch import Tensor

from ..caller import level_of_caller
from ..decays import NAMED, Decay, named
from ..decays.base_lr import BASE_LR, SAID, base_lr_of, cyclic_peaks
from ..decays.schedule import WeightDecaySchedule
from ..engines import ENGINES, Engine, GroupStep, Memory, Mode
from ..engines.memory import ParameterState, Rounding
from ..regularizers import L2, OnSubset, Regularizer, TowardInit
from ..rules import Rule, Scalar
from ..update import Update, check

SKIPPED = "halflife_skipped_steps"
"""How many steps were skipped; the same number in every group, so that checkpoints and copies keep it."""

GLOBAL = ("max_grad_norm", "skip_nonfinite")
"""Settings of the whole optimizer, which stand in every group alike."""

LOCAL = ("rounding", "state_dtype", "engine")
"""Settings of the memory and the machine at hand: a checkpoint neither has them nor changes them."""

LARGE_DECAY = 0.01
"""The share of the weights from which on a decay that leaves the learning rate out is probably meant to be times lr."""

Group = dict[str, Any]
_on_purpose = ContextVar("_on_purpose", default=False)
_STATE_DTYPES = (None, torch.float32, torch.bfloat16, "8bit")


@runtime_checkable
class DecaySpec(Protocol):
    """What may be given as ``weight_decay=`` in a number's place: λ for a treatment and a base learning rate."""

    def resolve(self, decay: Decay, lr: float) -> float: ...


class GroupView:
    """What a parameter group says, in the algebra's terms; made anew when the group has changed.

    ``group`` is the dict as torch has it, ``rule`` what its flags stand for. Raises ``TypeError`` or ``ValueError`` for
    a setting that is none, at once or when it is asked for.
    """

    def __init__(self, group: Group, rule: Rule) -> None:
        self.group, self.rule = group, rule
        self.move(group["lr"], group["weight_decay"])
        self.decay, self.regularizer = decay_of(group), regularizer_of(group)
        self.memory = Memory(group.get("rounding", "nearest"), group.get("state_dtype"), rule.never_negative)
        self.engine: Engine | None = group.get("engine") or ("cuda" if group.get("fused") else None)
        self._needs_schedule = self.decay.needs_schedule

    def move(self, lr: Any, lam: Any) -> None:
        """Take these for the group's learning rate and λ, as a scheduler changes them."""
        plain = type(lr) is float and type(lam) is float
        self.lr, self.lam = (lr, lam) if plain else (scalar(lr, "lr"), scalar(lam, "weight_decay"))
        if isinstance(self.lam, int | float) and not self.lam >= 0:
            raise ValueError(f"a parameter group's weight_decay must be at least 0, but is {self.lam}.")

    @cached_property
    def update(self) -> Update:
        """rule × decay × regularizer."""
        return Update(self.rule, self.decay, self.regularizer)

    @property
    def mode(self) -> Mode:
        """How the engine is to compute, from torch's flags."""
        if self.group.get("differentiable"):
            return "differentiable"
        return "capturable" if self.group.get("capturable") else "plain"

    @property
    def tensor_names(self) -> frozenset[str]:
        """The names under which a state of this group may have something of its parameter's shape."""
        return self.step((), ()).tensor_names

    @cached_property
    def base_lr(self) -> float:
        """α: what was given as ``base_lr``, else the peak that OneCycleLR wrote down, else lr as it was at first."""
        for name in SAID:
            x = self.group.get(name)
            if x is not None:
                α = number(scalar(x, name))
                if not α > 0:
                    raise ValueError(
                        f"{name}, by which lr is divided to η = lr/{name}, must be above 0, but {α:g} was given."
                    )
                return α
        return number(base_lr_of(self.group))

    def multiplier(self, lr: Scalar) -> Scalar:
        """η = lr/α, the schedule's multiplier, where the decay needs it; α is a constant, also to autograd.

        Raises ``ValueError`` where it is needed and α is 0.
        """
        λ = self.lam
        if not self._needs_schedule or (isinstance(λ, int | float) and λ == 0):
            return 1.0
        α = self.base_lr
        if α == 0:
            raise ValueError(
                f"decay '{self.decay}' measures the schedule as η = lr/α, and the group was added with lr=0, which "
                "says nothing of its peak learning rate; give that as base_lr= to the optimizer or the group."
            )
        return lr / α

    def clock_place(self, p: Tensor) -> tuple[torch.device, torch.dtype]:
        """Where torch keeps the step count: on the CPU in the default dtype, unless a graph or a kernel reads it."""
        on_device = self.group.get("capturable") or self.group.get("fused") or (p.is_cuda and self.engine == "cuda")
        wide = torch.get_default_dtype() == torch.float64 and not self.group.get("fused")
        return p.device if on_device else torch.device("cpu"), torch.float64 if wide else torch.float32

    def step(self, params: Sequence[Tensor], states: Sequence[ParameterState] = (), factor: Scalar = 1.0) -> GroupStep:
        """The group's step on these of its parameters; ``factor`` multiplies every gradient."""
        lr, λ = (number(x) if self.mode == "plain" and is_on_cpu(x) else x for x in (self.lr, self.lam))
        return GroupStep(
            update=self.update,
            lr=lr,
            eta=self.multiplier(lr),
            lam=λ,
            params=params,
            grads=[p if p.grad is None else p.grad for p in params],
            states=states or [{} for _ in params],
            mode=self.mode,
            gradient=-factor if self.group.get("maximize") else factor,
            memory=self.memory,
            ema_decay=self.group.get("ema_decay"),
        )

    def check(self, first: Group) -> None:
        """Raise ``ValueError`` for what the group says wrongly, by itself or beside the optimizer's ``first`` group."""
        _check_formats(self.group, self.memory)
        _check_global(self.group, first)
        check(self.rule, self.decay, self.regularizer)
        for i, p in enumerate(self.group["params"]):
            try:
                self.rule.check(p)
                self.regularizer.check(p)
            except (ValueError, RuntimeError) as error:
                names = self.group.get("param_names")
                raise type(error)(f"{error} It is {names[i] if names else f'number {i} of its group'}.") from None
        self.multiplier(self.lr)
        if self.group.get("base_lr") is not None:
            _ = self.base_lr

    def warn_of_large_decay(self) -> None:
        """A word where λ looks as if it were meant to be multiplied by the learning rate, and is not."""
        share = number(self.lam) if shrinks(self.regularizer) and not is_on_purpose() else 0.0
        if self.decay.multiplier in ("schedule", "one") and share >= LARGE_DECAY:
            left = 1 / (1 + share) if self.decay.placement == "implicit" else 1 - share
            steps = log(0.5) / log(left) if 0 < left < 1 else 0
            warn(
                f"weight_decay={share:g} with decay '{self.decay}' leaves the learning rate out: each step at full "
                f"learning rate takes {1 - left:.2g} of the weights, half of them in {steps:.3g} steps. If it was "
                f"tuned for torch's AdamW, the same decay is lr·λ = {share * self.base_lr:.3g} here; or give "
                "weight_decay=halflife.HalfLife(steps=…).",
                UserWarning,
                stacklevel=level_of_caller(),
            )


@contextmanager
def on_purpose() -> Generator[None, None, None]:
    """Within it, and this thread, no warning of what one does by mistake and a study on purpose.

    That is a large λ that leaves the learning rate out, and a learning rate above its base.
    """
    token = _on_purpose.set(True)
    try:
        yield
    finally:
        _on_purpose.reset(token)


def is_on_purpose() -> bool:
    """Whether that holds here and now."""
    return _on_purpose.get()


def decay_of(group: Group) -> Decay:
    """The group's treatment; without one of ours, what torch's ``decoupled_weight_decay`` says."""
    given = group.get("decay")
    if given is None:
        return NAMED["decoupled" if group.get("decoupled_weight_decay") else "coupled"]
    return named(given)


def regularizer_of(group: Group) -> Regularizer:
    """The group's regularizer, ½‖w‖² unless it names another."""
    given = group.get("regularizer")
    if given is None:
        return L2()
    if not isinstance(given, Regularizer):
        raise ValueError(
            f"regularizer={given!r} is not a regularizer; give one of halflife.regularizers, such as L1() or "
            "GroupLasso(dim=1), or an object of your own that derives from halflife.regularizers.Regularizer."
        )
    return given


def scalar(x: Any, name: str) -> Scalar:
    """A hyper-parameter as a number or a 0-d tensor. Raises ``TypeError`` for anything else."""
    if isinstance(x, Tensor):
        return x.squeeze() if x.dim() else x
    if isinstance(x, int | float):
        return x
    if isinstance(x, DecaySpec | WeightDecaySchedule):
        raise TypeError(
            f"a parameter group's {name} is {x!r}, which becomes a number when its group is added; in a group that is "
            "there already, give a number, what .resolve(decay, lr) returns, or .attach(optimizer) a schedule."
        )
    if hasattr(x, "__float__") and not isinstance(x, str):
        return float(x.item() if hasattr(x, "item") else x)
    raise TypeError(f"a parameter group's {name} must be a number, but is {x!r}.")


def is_on_cpu(x: Scalar) -> bool:
    """Whether a tensor can be read as a number without waiting for a device: a plain clock is in Python's numbers."""
    return isinstance(x, Tensor) and x.is_cpu


def number(x: Any) -> float:
    """A hyper-parameter's value, without autograd's warning that its graph ends here."""
    return float(x.detach()) if isinstance(x, Tensor) else float(x)


def note_base_lr(group: Group, own: Iterable[str]) -> None:
    """Take note of α as a group is added; ``own`` are the settings that it brought along itself.

    Groups with ``lr_scale`` (MAE's, timm's layer decay) are given lr·lr_scale at every step by their training loop, and
    so is the α that they have from the optimizer.
    """
    scale = number(group.get("lr_scale", 1.0))
    group[BASE_LR] = number(group["lr"]) * (1.0 if "lr" in own else scale)
    if group.get("base_lr") is not None and "base_lr" not in own:
        group["base_lr"] = number(group["base_lr"]) * scale


class CyclicPeaks:
    """Where a CyclicLR drives the groups, its peaks are their base learning rates, and it writes them into no group.

    It is looked for among all live objects, when the groups' settings say that one may have come: so once.
    """

    def __init__(self) -> None:
        self._marks = list[tuple[Any, ...]]()

    def read(self, groups: list[Group]) -> None:
        """Take the peaks of a CyclicLR, if there is one that was not there before."""
        marks = list(map(scheduler_mark, groups))
        if marks == self._marks:
            return
        self._marks = marks
        peaks = cyclic_peaks(groups) if any(map(_may_be_cyclic, groups)) else []
        for group, peak in zip(groups, peaks, strict=False):
            group[BASE_LR] = peak


def scheduler_mark(group: Group) -> tuple[Any, ...]:
    """What changes in a group when a scheduler is made for it: the names of its settings, and ``initial_lr``."""
    initial = group.get("initial_lr")
    return frozenset(group) - {"params"}, None if initial is None else number(initial)


def _may_be_cyclic(group: Group) -> bool:
    """By what a CyclicLR does write: the momentum's bounds, or another ``initial_lr``.

    One that does neither, from the group's own lr up and without momentum, is told of when lr passes its base.
    """
    known = "initial_lr" not in group or "max_lr" in group or group.get("base_lr") is not None
    moved = "max_momentum" in group or (not known and number(group["initial_lr"]) != base_lr_of(group))
    return moved and not known and decay_of(group).needs_schedule


@contextmanager
def in_place_of(pairs: Sequence[tuple[Tensor, Tensor]]) -> Generator[None, None, None]:
    """Within it the first of each pair has the numbers of the second; then its own bits again."""
    own = [p.detach().clone() for p, _ in pairs]
    try:
        with torch.no_grad():
            for p, x in pairs:
                p.copy_(x)
        yield
    finally:
        with torch.no_grad():
            for (p, _), w in zip(pairs, own, strict=True):
                p.copy_(w)


def warn_of_near_misses(group: Group, known: Iterable[str]) -> None:
    """A word on a setting that no one reads and that looks like another misspelt."""
    settings = [*known, "params", "param_names", "lr_scale"]
    for name in group.keys() - {*settings, BASE_LR, SKIPPED, "max_lr", "min_lr", "initial_lr"}:
        near = get_close_matches(str(name), settings, n=1, cutoff=0.85)
        if near:
            warn(
                f"a parameter group sets {name!r}, which the optimizer does not read; did you mean {near[0]!r}?",
                UserWarning,
                stacklevel=level_of_caller(),
            )


def placeholder(weight_decay: Any) -> Any:
    """The number that the constructor of torch is shown: 0 where the groups' own are still to be found."""
    if isinstance(weight_decay, WeightDecaySchedule):
        return weight_decay.value
    return 0.0 if isinstance(weight_decay, DecaySpec) else weight_decay


def resolved(spec: DecaySpec, group: Group) -> float:
    """λ for this group, from its own treatment and learning rate.

    Raises ``ValueError`` for a regularizer that takes no share of the weights away.
    """
    regularizer = regularizer_of(group)
    if not shrinks(regularizer):
        raise ValueError(
            f"{spec!r} says what share of the weights a decay takes, and {regularizer!r} does not take a share; give "
            "weight_decay as a number, or leave regularizer=None, which is ½‖w‖²."
        )
    α = group.get("base_lr")
    return spec.resolve(decay_of(group), number(group["lr"] if α is None else α))


def shrinks(regularizer: Regularizer) -> bool:
    """Whether the decay multiplies the weights, or their distance to where they began, by a factor."""
    if isinstance(regularizer, OnSubset):
        return shrinks(regularizer.of)
    return isinstance(regularizer, L2 | TowardInit)


def shared(groups: list[Group]) -> Group:
    """What a late group must say as the first one does."""
    return {name: groups[0].get(name, False if name == "skip_nonfinite" else None) for name in GLOBAL if groups}


def _check_global(group: Group, first: Group) -> None:
    """Raise ``ValueError`` for settings of the whole optimizer that are out of range, or not the first group's."""
    norm, d, skip = (group.get(name) for name in ("max_grad_norm", "ema_decay", "skip_nonfinite"))
    if norm is not None and not norm > 0:
        raise ValueError(f"max_grad_norm must be None or above 0 (inf only measures), but {norm} was given.")
    if d is not None and not 0 <= d < 1:
        raise ValueError(f"ema_decay must be None, or at least 0 and below 1, but {d} was given.")
    if skip not in (None, False, True):
        raise ValueError(f"skip_nonfinite must be True or False, but {skip!r} was given.")
    for name in GLOBAL:
        if group.get(name) != first.get(name):
            raise ValueError(
                f"{name} is one setting for the whole optimizer, {first.get(name)!r} here, but a parameter group has "
                f"{group.get(name)!r}; give it to the optimizer instead of the group."
            )


def _check_formats(group: Group, memory: Memory) -> None:
    """Raise ``ValueError`` for a rounding, a state format or an engine that is none, or not for these parameters."""
    for name, given, known in (
        ("rounding", memory.rounding, get_args(Rounding)),
        ("engine", group.get("engine"), (None, *ENGINES)),
    ):
        if given not in known:
            raise ValueError(f"{name}={given!r} is not known; choose one of {', '.join(map(repr, known))}.")
    if not any(memory.state_dtype is known or memory.state_dtype == known for known in _STATE_DTYPES):
        raise ValueError(
            f"state_dtype={memory.state_dtype!r} is not known; choose None (the parameter's own dtype), torch.float32, "
            "torch.bfloat16 or '8bit'."
        )
    if group.get("differentiable") and memory not in (Memory(), Memory(state_dtype=torch.float32)):
        raise ValueError(
            "differentiable=True goes with rounding='nearest' and state_dtype=None or torch.float32 alone: "
            "codes and dithers have no derivative."
        )
    if memory.state_dtype is not None and any(p.is_complex() for p in group["params"]):
        raise ValueError("state_dtype goes with real parameters alone; leave it None for a group of complex ones.")
