"""Any optimizer, by what people write: ``lion``, ``adamw:cautious``, ``my.py:MyOptimizer``, ``torch.optim.AdamW``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from runpy import run_path
from typing import Any, cast

import torch

from ... import __version__, optim, regularizers
from ...catalogue import why_not
from ...decays import NAMED
from ...regularizers import L0, L1, ElasticNet, GroupLasso, LHalf, Regularizer
from ..errors import StudyError
from .code_digest import code_of_file
from .optimizers import (
    BASELINE,
    HALF_DECADES,
    OPTIMIZER_SPECS,
    SPARSE_FACTOR,
    TIMES_LR,
    OptimizerSpec,
    equation_of,
    lr_factor_of,
    spec_of,
    update_of,
)

FORM = (
    "a name (adamw-paper, lion), a name with decay and regularizer (adamw:cautious, prox-adam:l1), "
    "my.py:MyOptimizer, or a class as Python imports it (torch.optim.AdamW)"
)

Given = str | OptimizerSpec | Callable[..., torch.optim.Optimizer]
"""What ``Settings`` takes for an optimizer."""


def _word(name: str) -> str:
    return re.sub("(?<=[a-z])(?=[A-Z])", "-", name).lower()


def _regularizers() -> dict[str, type[Regularizer]]:
    """Those that can be made without arguments."""
    found: dict[str, type[Regularizer]] = {}
    for name in regularizers.__all__:
        one = getattr(regularizers, name)
        if isinstance(one, type) and issubclass(one, Regularizer) and one is not Regularizer:
            needed = [x for x in signature(one).parameters.values() if x.default is Parameter.empty]
            if not needed:
                found[_word(name)] = one
    return found


SPARSE = (L1, L0, LHalf, ElasticNet, GroupLasso)
"""Regularizers that drive weights to 0."""


def optimizer_spec(given: Given) -> OptimizerSpec:
    """What a study knows of an optimizer. Raises ``StudyError`` for a name or an object that stands for none."""
    if isinstance(given, OptimizerSpec):
        return given
    if not isinstance(given, str):
        return _of_class(given, f"{getattr(given, '__module__', '')}.{getattr(given, '__qualname__', repr(given))}")
    given = f"{given}:coupled" if given == BASELINE.name else given  # the baseline has its name, and no decay
    name, *words = given.split(":")
    if name in OPTIMIZER_SPECS:
        return _in_words(given, OPTIMIZER_SPECS[name], words) if words else OPTIMIZER_SPECS[name]
    if name.endswith(".py") and len(words) == 1:
        return _of_class(_from_file(name, words[0]), given, code_of_file(Path(name)))
    if why_not(name):
        raise StudyError(f"{given} cannot be studied: {why_not(name)}.")
    module, _, qualified = given.replace(":", ".").rpartition(".")
    if module:
        return _of_class(_imported(module, qualified, given), given)
    raise StudyError(f"optimizer {given!r} is not known; give {FORM}. Names: {', '.join(OPTIMIZER_SPECS)}.")


def _in_words(given: str, spec: OptimizerSpec, words: Iterable[str]) -> OptimizerSpec:
    """A named one under another decay, another regularizer, or both."""
    known, more = _regularizers(), dict(spec.settings)
    for word in words:
        if word in NAMED:
            more["decay"] = word
        elif word in known:
            more["regularizer"] = known[word]()
        else:
            raise StudyError(
                f"{word!r} in {given!r} is no decay and no regularizer; decays are {', '.join(NAMED)}, "
                f"regularizers {', '.join(known)}."
            )
    optimizer: Any = spec.optimizer
    try:
        update = update_of(optimizer, **more)
    except ValueError as error:
        raise StudyError(f"{given!r} does not go together: {error}") from None
    lams = TIMES_LR if update.decay.multiplier == "lr" else HALF_DECADES
    if isinstance(update.regularizer, SPARSE):
        lams = tuple(float(f"{SPARSE_FACTOR * lam:.1g}") for lam in lams)
    label = f"{optimizer.__name__ if not spec.matrix else spec.label} ({', '.join(words)})"
    equation = equation_of(update.decay, type(update.rule).__name__)
    return replace(spec, name=given, label=label, equation=equation, settings=tuple(more.items()), lams=lams)


def _from_file(path: str, name: str) -> Any:
    if not Path(path).is_file():
        raise StudyError(f"there is no file {path!r}; an optimizer of your own is written my.py:MyOptimizer.")
    try:
        found = run_path(path, run_name="halflife_study")
    except Exception as error:
        raise StudyError(f"{path} failed with {type(error).__name__}: {error}") from error
    if name not in found:
        raise StudyError(f"{path} has no {name!r}.")
    return found[name]


def _imported(module: str, name: str, given: str) -> Any:
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise StudyError(f"optimizer {given!r} cannot be imported ({error}); give {FORM}.") from None


def _of_class(found: Any, name: str, code: str = "") -> OptimizerSpec:
    """A class, or a function that makes an optimizer; ours keep what rule and decay suggest."""
    if not callable(found):
        raise StudyError(f"{name} is a {type(found).__name__}; an optimizer's class is called with (params, lr=, …).")
    identity = " ".join(part for part in (name, code or _version(found)) if part)
    if isinstance(found, type) and issubclass(found, optim.Optimizer):
        return replace(spec_of(name, found), identity=identity)
    made = cast(Any, found)
    label = str(getattr(made, "__name__", name))
    spec = OptimizerSpec(name, label, "its own step", made, lr_factor=lr_factor_of(made, label), identity=identity)
    try:
        multiplier = spec.multiplier
    except Exception as error:
        raise StudyError(
            f"{name} cannot be studied: called with a parameter, lr and weight_decay, and stepped once, it raised "
            f"{type(error).__name__}: {error}"
        ) from None
    return replace(spec, lams=TIMES_LR if multiplier == "lr" else HALF_DECADES)


def _version(found: Any) -> str:
    """Of the distribution that a class comes from, as its module says it."""
    root = str(getattr(found, "__module__", "")).partition(".")[0]
    if root == "halflife":
        return __version__
    return str(getattr(import_module(root), "__version__", "")) if root and root != "__main__" else ""
