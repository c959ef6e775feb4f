"""A group's update as a row of numbers for the native engine, and what that engine cannot take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from math import inf, prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import regularizers as rz
from ..regularizers import Regularizer
from ..rules import ASGD, Rule, Scalar, hyper_parameters, words
from ..sharded.region import region_of
from ..update import Update
from .formats import HALF
from .group_step import GroupStep
from .layouts import is_plain, mask_fits, same_order, states_fit
from .library import Functor, Library, Missing, load
from .memory import Memory, ParameterState

PLACEMENTS = {"none": 0, "before": 1, "explicit": 2, "cautious": 3, "implicit": 4}
ROUNDINGS = ("nearest", "stochastic", "kahan")
REGULARIZERS: dict[type[Regularizer], tuple[int, tuple[str, ...]]] = {
    rz.L2: (0, ()),
    rz.L1: (1, ()),
    rz.ElasticNet: (2, ("l1_ratio",)),
    rz.L0: (3, ()),
    rz.LHalf: (4, ()),
    rz.Huber: (5, ("delta",)),
    rz.Box: (6, ("lo", "hi")),
    rz.NonNegative: (7, ()),
    rz.TowardInit: (8, ()),
    rz.GroupLasso: (9, ()),
}
"""Each compiled one's number, as in native/halflife.h, and its settings in the order in which it reads them."""

SUM = 16
"""What is added to that number where a ridge or bounds stand beside it."""

ALONE = (rz.Box, rz.NonNegative, rz.GroupLasso)
"""What is not compiled beside others."""


_functors: dict[tuple[type[Rule], str], Functor | None] = {}


def functor_of(rule: Rule) -> Functor | None:
    """The compiled functor of this very class of rules, under its words; a class that derives from one has none.

    Raises ``RuntimeError``, naming the rule, if the library's functor is not what the rule declares.
    """
    key = type(rule), words(rule)
    if key not in _functors:
        _functors[key] = _matched(rule, vars(type(rule)).get("functor"), key[1])
    return _functors[key]


def _matched(rule: Rule, name: str | None, variant: str) -> Functor | None:
    library = load()
    if name is None or isinstance(library, Missing):
        return None
    functor, hyper, scalars = library.functor(name, variant), tuple(hyper_parameters(rule)), len(rule.scalars)
    declared = len(rule.states) - scalars, scalars, hyper
    if functor is None or (functor.states, functor.scalars, functor.hyper) != declared:
        has = (
            "none" if functor is None else f"one of {functor.states} states, {functor.scalars} scalars, {functor.hyper}"
        )
        raise RuntimeError(
            f"the rule {name} ({variant or 'no variants'}) declares a functor of {declared[0]} states, {scalars} "
            f"scalars and the hyper-parameters {hyper}, and {library.path} has {has}; install halflife again, or set "
            "HALFLIFE_NATIVE=0."
        )
    return functor


def group_obstacle(step: GroupStep) -> str | None:
    """Why the native engine cannot step any tensor of this group, if it cannot."""
    if step.mode != "plain":
        return f"{step.mode}=True needs the step in torch's own operations"
    if functor_of(step.update.rule) is None:
        return f"the rule {type(step.update.rule).__name__} is not compiled"
    return next(_regularizer_obstacles(step), None)


def tensor_obstacle(step: GroupStep, p: Tensor, g: Tensor, state: ParameterState) -> str | None:
    """Why the native engine cannot step this tensor of a group that it can step otherwise."""
    if not p.is_cpu:
        return "a parameter is not on the CPU"
    if not (is_plain(p) and is_plain(g)):
        return "a parameter or gradient is no plain tensor with memory of its own"
    if not same_order(p, g):
        return "a parameter or gradient is complex or has gaps in memory"
    if not states_fit(step, p, state):
        return "a state lies in memory otherwise than its parameter"
    region = region_of(p)
    if region is not None and len(region.gaps) > 1 and step.dithers(p):
        return "a shard is cut along several dimensions, and its random bits go by the whole tensor's order"
    return _block_obstacle(step, p)


def static_key(update: Update, lam: Scalar, memory: Memory, ema_decay: float | None) -> tuple[Any, ...]:
    """What a row says in words; the rest of it is numbers, which may change from step to step."""
    compiled, place = compiled_form(update.regularizer), update.placed(lam).name
    key = compiled.static_key() if compiled else _words_of(update.regularizer)
    return (type(update.rule), words(update.rule), place, update.decay, key, memory, ema_decay)


def _words_of(part: Any) -> Any:
    """What a regularizer without a compiled form says but for its numbers, and where its tensors lie and how."""
    if isinstance(part, Tensor) and part.dim() and is_plain(part):
        return _layout(part)
    if isinstance(part, tuple):
        return tuple(map(_words_of, part))  # pyright: ignore[reportUnknownArgumentType]
    if is_dataclass(part) and not isinstance(part, type):
        return (type(part), *(_words_of(getattr(part, field.name)) for field in fields(part)))
    if isinstance(part, str | bool):
        return part
    moves = isinstance(part, int | float) or (isinstance(part, Tensor) and not part.dim())
    return None if moves else id(part)


def _layout(x: Tensor) -> tuple[Any, ...]:
    return x.data_ptr(), x.shape, x.dtype, x.stride(), x.untyped_storage().nbytes()


def row_of(step: GroupStep, library: Library) -> tuple[Any, ...]:
    """The row of a group's step: its words, and this step's numbers."""
    update, decay, functor = step.update, step.update.decay, functor_of(step.update.rule)
    place = update.placed(step.lam).name
    assert functor is not None  # group_obstacle saw to it
    hyper = [*hyper_parameters(update.rule).values()]
    return (
        functor.number,
        PLACEMENTS[place],
        place not in ("none", "before") and decay.needs_metric,
        regularizer_number(update),
        ROUNDINGS.index(step.memory.rounding),
        step.lr,
        decay.scale(step.lr, step.eta, 1.0),
        lam_of(update, step.lam),
        step.gradient,
        (*hyper, *[0.0] * (library.row["hyper"].shape[0] - len(hyper))),
        _form(update).numbers(),
        -1.0 if step.ema_decay is None else step.ema_decay,
    )


def regularizer_number(update: Update) -> int:
    """What a row says of the regularizer's kind."""
    form = _form(update)
    return REGULARIZERS[type(form.R)][0] + SUM * form.is_sum


def lam_of(update: Update, lam: Scalar) -> float:
    """λ as a row has it: a multiple of one regularizer is a multiple of λ."""
    form = _form(update)
    return float(lam) if form.is_sum else form.factor * float(lam)


def _form(update: Update) -> CompiledForm:
    form = compiled_form(update.regularizer)
    assert form is not None  # group_obstacle saw to it
    return form


class CompiledForm(NamedTuple):
    """``factor·R + ridge·½‖w‖²``, infinite where w is outside lo and hi, on the coordinates where the mask is true."""

    R: Regularizer
    factor: float = 1.0
    ridge: float = 0.0
    lo: float = -inf
    hi: float = inf
    mask: Tensor | None = None

    @property
    def is_sum(self) -> bool:
        return self.ridge != 0 or self.lo > -inf or self.hi < inf

    def static_key(self) -> tuple[Any, ...]:
        """All that it says, and where the mask lies and how."""
        R, x = self.R, self.mask
        settings = [getattr(R, name) for name in REGULARIZERS[type(R)][1]]
        blocks = R.dim if isinstance(R, rz.GroupLasso) else None
        return (type(R), *settings, blocks, *self[1:5], None if x is None else _layout(x))

    def numbers(self) -> tuple[float, ...]:
        """The settings of R, two at most, then those of the sum."""
        own = [getattr(self.R, name) for name in REGULARIZERS[type(self.R)][1]]
        return (*own, *[0.0] * (2 - len(own)), self.ridge, self.factor, self.lo, self.hi)


def compiled_form(R: Regularizer) -> CompiledForm | None:
    """That form of a regularizer, None if it has none."""
    if type(R) in REGULARIZERS:
        return CompiledForm(R)
    if type(R) is rz.Scaled:
        form = compiled_form(R.of)
        return form and form._replace(factor=R.factor * form.factor, ridge=R.factor * form.ridge)
    if type(R) is rz.OnSubset:
        form = compiled_form(R.of)
        return form._replace(mask=R.mask) if form and form.mask is None else None
    return _form_of_sum(R) if type(R) is rz.Sum else None


def _form_of_sum(R: rz.Sum) -> CompiledForm | None:
    """The parts in the order in which the sum's prox takes them: ridges, one other, bounds."""
    ridge, bounds, rest = R.sorted_parts()
    form = compiled_form(rest[0]) if rest else CompiledForm(rz.L2(), ridge)
    if len(rest) > 1 or form is None or form.mask is not None or isinstance(form.R, ALONE):
        return None
    lo, hi = form.lo, form.hi
    for bound in bounds:
        least, most = (bound.lo, bound.hi) if isinstance(bound, rz.Box) else (0.0, inf)
        lo, hi = min(max(lo, least), most), min(max(hi, least), most)
    return form._replace(ridge=form.ridge + ridge if rest else 0.0, lo=lo, hi=hi)


def _regularizer_obstacles(step: GroupStep) -> Iterator[str]:
    """Why the native engine cannot take this group's regularizer, if it cannot."""
    R = step.update.regularizer
    form = compiled_form(R)
    if form is None:
        yield f"{R!r} is not compiled"
    elif isinstance(form.R, rz.GroupLasso) and step.update.decay.needs_metric:
        yield f"{form.R!r} is compiled for one threshold a block alone"
    elif isinstance(form.R, rz.GroupLasso) and isinstance(step.update.rule, ASGD):
        yield f"ASGD averages what {form.R!r} is yet to shrink"


def _block_obstacle(step: GroupStep, p: Tensor) -> str | None:
    """Why this tensor does not fit the regularizer's mask or blocks as they lie in memory, if it does not.

    GroupLasso waits for a whole block, which it finds in memory as the step left it.
    """
    form = compiled_form(step.update.regularizer)
    assert form is not None
    if form.mask is not None and not (form.mask.dtype == torch.bool and mask_fits(form.mask, p)):
        return "OnSubset's mask is not of the parameter's shape, or lies in memory in another order"
    if not isinstance(form.R, rz.GroupLasso):
        return None
    if p.dtype in HALF:
        return f"{form.R!r} would see weights rounded to half precision"
    return None if not p.numel() or block_of(form.R, p) else f"the blocks of {form.R!r} do not lie together in memory"


def block_of(R: rz.GroupLasso, p: Tensor) -> int:
    """How many neighbours in memory make one block of R; 0 where a block is no such run."""
    dims = sorted(d % p.dim() for d in ((R.dim,) if isinstance(R.dim, int) else R.dim))
    together = p.is_contiguous() and len(dims) > 0 and dims == list(range(dims[0], p.dim()))
    return prod(p.shape[dims[0] :]) if together else 0


def enter_regularizer(entry: Any, regularizer: Regularizer, p: Tensor) -> None:
    """Write what one parameter's entry says of the regularizer."""
    form = compiled_form(regularizer)
    if form is not None and form.mask is not None:
        entry["mask"] = form.mask.data_ptr()
    if form is not None and isinstance(form.R, rz.GroupLasso):
        entry["block"] = block_of(form.R, p)
