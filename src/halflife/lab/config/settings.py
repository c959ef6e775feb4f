"""What a study tries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from inspect import signature
from math import isfinite
from typing import Any

from ..errors import StudyError
from ..models.fitting import MODELS
from ..problems import PROBLEMS, Problem
from ..training import Recipe
from ..training.schedules import SCHEDULES
from .optimizers import DEFAULT, OPTIMIZER_SPECS, OptimizerSpec
from .user_code import is_own


@dataclass(frozen=True)
class Settings:
    """problem × optimizers × lr × λ × seeds, and the recipe.

    ``problem`` is a name, a ``Problem`` of one's own, or ``my.py:problem`` (see ``lab.own``);
    ``model`` a name, None for the problem's own.
    ``lams`` is None where every optimizer takes its own λ (``OptimizerSpec.lams``). Seeds are 0, 1, …, ``seeds`` − 1.
    ``eps`` replaces the ε of every optimizer that has one. ``schedule``, ``loss_scale`` and ``curves`` are of the
    ``Recipe``.
    Raises ``StudyError`` for an unknown name, an empty or repeating grid and numbers out of range.
    """

    problem: str | Problem = "digits"
    model: str | None = None
    optimizers: tuple[str, ...] = DEFAULT
    lrs: tuple[float, ...] = (5e-4, 1.1e-3, 2.3e-3, 5e-3, 1.1e-2, 2.3e-2, 5e-2)
    lams: tuple[float, ...] | None = None
    seeds: int = 4
    epochs: int = 100
    batch_size: int = 50
    schedule: str = "cosine"
    loss_scale: float = 1.0
    eps: float | None = None
    curves: bool = False

    def __post_init__(self) -> None:
        grids: dict[str, Any] = {"lrs": self.lrs, "lams": self.lams, "optimizers": self.optimizers}
        for name, given in grids.items():
            if given is not None:  # a list, np.logspace(…), a name alone
                listed = (given,) if isinstance(given, str) else given
                object.__setattr__(self, name, tuple(x if isinstance(x, str) else float(x) for x in listed))
        _known(
            "problem",
            [self.problem] if isinstance(self.problem, str) and not is_own(self.problem) else [],
            PROBLEMS,
        )
        _known("model", [self.model] if self.model else [], MODELS)
        _known("optimizer", self.optimizers, OPTIMIZER_SPECS)
        _known("schedule", [self.schedule], SCHEDULES)
        _grid("optimizers", self.optimizers)
        _grid("learning rates", self.lrs)
        _positive("learning rate", self.lrs)
        _grid("λ", self.lams if self.lams is not None else ("each its own",))
        _positive("λ", self.lams or ())
        _positive("loss scale", [self.loss_scale])
        for name in ("seeds", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise StudyError(f"{name.replace('_', ' ')} must be at least 1, but {getattr(self, name)} was given.")

    @property
    def recipe(self) -> Recipe:
        return Recipe(self.epochs, self.batch_size, self.schedule, self.loss_scale, self.curves)

    def optimizer_specs(self) -> list[OptimizerSpec]:
        return [self.adapted(OPTIMIZER_SPECS[name]) for name in self.optimizers]

    def adapted(self, spec: OptimizerSpec) -> OptimizerSpec:
        """With this study's ε, if it has one and the optimizer too."""
        if self.eps is None or "eps" not in signature(spec.optimizer).parameters:
            return spec
        return replace(spec, settings=(*spec.settings, ("eps", self.eps)))

    def lams_of(self, spec: OptimizerSpec) -> tuple[float, ...]:
        return spec.lams if self.lams is None else self.lams


def _known(what: str, names: Iterable[str], table: Iterable[str]) -> None:
    for name in names:
        if name not in set(table):
            raise StudyError(f"{what} {name!r} is not known; choose among {', '.join(table)}.")


def _grid(what: str, values: tuple[object, ...]) -> None:
    if not values:
        raise StudyError(f"a study needs at least one of its {what}, and none was given.")
    if len(set(values)) < len(values):
        raise StudyError(f"the {what} must differ, but one of {', '.join(map(str, values))} is given twice.")


def _positive(what: str, values: Iterable[float]) -> None:
    for value in values:
        if not (isfinite(value) and value > 0):
            raise StudyError(f"a {what} must be a number above 0 (the grid is logarithmic), but {value:g} was given.")
