"""What a study tries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from inspect import signature
from math import isfinite
from typing import Any

from ..errors import StudyError
from ..models.fitting import MODELS
from ..problems import PROBLEMS, Problem
from ..training import Recipe
from ..training.schedules import SCHEDULES
from ..training.training import PRECISIONS
from .optimizer_names import optimizer_spec
from .optimizers import DEFAULT, OptimizerSpec
from .user_code import is_own

LRS = (5e-4, 1.1e-3, 2.3e-3, 5e-3, 1.1e-2, 2.3e-2, 5e-2)
"""The usual learning rates: Adam's."""
LATER: dict[str, Any] = {"precision": "fp32", "samples": None, "options": {}, "head": None}
"""Fields that older ledgers lack, and what they then are: stored where they say something else, so that a study stays
the study that it was."""


@dataclass(frozen=True)
class Settings:
    """problem × optimizers × lr × λ × seeds, and the recipe.

    Args:
        problem: a name, a ``Problem`` of one's own, or ``my.py:problem`` (see ``OwnTraining``).
        model: a name, None for the problem's own.
        optimizers: names or classes, as ``lab.config.optimizer_names`` reads them.
        lrs: None where every optimizer takes the usual ones times its own factor; may be a mapping by the optimizer's
            name.
        lams: λ; None where every optimizer takes its own (``OptimizerSpec``); may be such a mapping too.
        seeds: how many: 0, 1, …, ``seeds`` − 1.
        epochs, batch_size, schedule, loss_scale, curves, precision: of the ``Recipe``.
        eps: replaces the ε of every optimizer that has one.
        samples: how many of the training samples are learned from, the first ones; None is all.
        options: keywords of the model, or of the problem: its function's, or those that ``train(config)`` reads in
            ``config.options``.
        head: patterns of the names of the model's last layer, such as "classify.*", for optimizers that step the
            matrices inside a model otherwise than the rest (muon); None where the model tells: see ``head_of``.
        specs: what is known of optimizers that no name tells.

    Raises:
        StudyError: for an unknown name, an empty or repeating grid and numbers out of range.

    Example:
        >>> from halflife.lab import Settings
        >>> grid = Settings("ridge", optimizers=("adamw-torch", "sgd"), seeds=2)
        >>> {spec.name: len(grid.lrs_of(spec)) * len(grid.lams_of(spec)) for spec in grid.optimizer_specs()}
        {'adamw-torch': 49, 'sgd': 49}
    """

    problem: str | Problem = "digits"
    model: str | None = None
    optimizers: tuple[str, ...] = DEFAULT
    lrs: tuple[float, ...] | Mapping[str, tuple[float, ...]] | None = None
    lams: tuple[float, ...] | Mapping[str, tuple[float, ...]] | None = None
    seeds: int = 4
    epochs: int = 100
    batch_size: int = 50
    schedule: str = "cosine"
    loss_scale: float = 1.0
    eps: float | None = None
    curves: bool = False
    precision: str = "fp32"
    samples: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    head: tuple[str, ...] | None = None
    specs: Mapping[str, OptimizerSpec] = field(default_factory=dict[str, OptimizerSpec], repr=False, compare=False)

    def __post_init__(self) -> None:
        self._take_optimizers()
        if self.head is not None:
            object.__setattr__(self, "head", (self.head,) if isinstance(self.head, str) else tuple(self.head))
        object.__setattr__(self, "lrs", _floats(self.lrs))
        object.__setattr__(self, "lams", _floats(self.lams))
        _known(
            "problem",
            [self.problem] if isinstance(self.problem, str) and not is_own(self.problem) else [],
            PROBLEMS,
        )
        _known("model", [self.model] if self.model else [], MODELS)
        _known("schedule", [self.schedule], SCHEDULES)
        _known("precision", [self.precision], PRECISIONS)
        _grid("optimizers", self.optimizers)
        for what, one, given in (("learning rates", "learning rate", self.lrs), ("λ", "λ", self.lams)):
            for grid in given.values() if isinstance(given, Mapping) else [given]:
                _grid(what, ("each its own",) if grid is None else grid)
                _positive(one, grid or ())
        _positive("loss scale", [self.loss_scale])
        for name in ("seeds", "epochs", "batch_size", "samples"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise StudyError(f"{name.replace('_', ' ')} must be at least 1, but {getattr(self, name)} was given.")

    def _take_optimizers(self) -> None:
        """By their names, and what is known of each: a name alone, a list, classes among them."""
        given: Any = self.optimizers
        listed: list[Any] = [given] if isinstance(given, str) or not isinstance(given, Iterable) else [*given]  # pyright: ignore[reportUnknownArgumentType]
        known = dict(self.specs)
        specs = [known[one] if isinstance(one, str) and one in known else optimizer_spec(one) for one in listed]
        object.__setattr__(self, "optimizers", tuple(spec.name for spec in specs))
        object.__setattr__(self, "specs", {spec.name: spec for spec in specs})

    @property
    def recipe(self) -> Recipe:
        """How each network is trained."""
        return Recipe(self.epochs, self.batch_size, self.schedule, self.loss_scale, self.curves, self.precision)

    def optimizer_specs(self) -> list[OptimizerSpec]:
        """What is known of each optimizer, with this study's ε and head."""
        return [self.adapted(self.specs[name]) for name in self.optimizers]

    def adapted(self, spec: OptimizerSpec) -> OptimizerSpec:
        """With this study's ε, if it has one and the optimizer too; with its model's head, if it must know.

        Args:
            spec: an optimizer.

        Returns:
            The same, or a changed copy.
        """
        spec = replace(spec, head=self.head) if spec.matrix and self.head is not None else spec
        if self.eps is None or spec.update is None or "eps" not in signature(spec.optimizer).parameters:
            return spec
        return replace(spec, settings=(*spec.settings, ("eps", self.eps)))

    def lrs_of(self, spec: OptimizerSpec) -> tuple[float, ...]:
        """The learning rates that an optimizer is tried with.

        Args:
            spec: the optimizer.

        Returns:
            In increasing order.
        """
        given = self.lrs.get(spec.name) if isinstance(self.lrs, Mapping) else self.lrs
        usual = tuple(float(f"{spec.lr_factor * lr:.3g}") for lr in LRS)
        return tuple(sorted(usual if given is None else given))

    def lams_of(self, spec: OptimizerSpec) -> tuple[float, ...]:
        """The λ that an optimizer is tried with.

        Args:
            spec: the optimizer.

        Returns:
            In increasing order.
        """
        given = self.lams.get(spec.name) if isinstance(self.lams, Mapping) else self.lams
        return tuple(sorted(spec.lams if given is None else given))

    @property
    def stored(self) -> dict[str, Any]:
        """All of it as JSON can hold it, but for what is known of the optimizers; the problem by its name."""
        shared = self.lrs is None and all(spec.lr_factor == 1 for spec in self.specs.values())
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "specs"}
        values = {name: value for name, value in values.items() if name not in LATER or value != LATER[name]}
        return {**values, "lrs": LRS if shared else self.lrs}


def _floats(given: Any) -> Any:
    """Of a list, np.logspace(…), or a mapping of them; None as it is."""
    if given is None:
        return None
    if isinstance(given, Mapping):
        return {name: _floats(grid) for name, grid in given.items()}  # pyright: ignore[reportUnknownVariableType]
    return tuple(float(x) for x in given)


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
