"""Problems and trainings of one's own: an object in a file, ``my.py:problem``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from runpy import run_path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import StudyError
from ..problems import Problem
from .code_digest import code_of_file
from .keywords import check_options
from .optimizers import OptimizerSpec

FORM = "my.py:problem"


@dataclass(frozen=True)
class Config:
    """What a training of one's own is asked for: one cell of the grid under one seed.

    Attributes:
        spec: the optimizer's.
        lr, weight_decay: the cell.
        seed: under which the training is to be made.
        epochs, batch_size: the study's.
        options: what else varies, as in ``--axis width=16,32,64``: ``config.options["width"]``.

    Example:
        >>> from halflife.lab import OPTIMIZER_SPECS, Config
        >>> config = Config(OPTIMIZER_SPECS["adamw-paper"], 1e-3, 1e-5, seed=0, epochs=1, batch_size=50)
        >>> optimizer = config.build(torch.nn.Linear(2, 1))
        >>> type(optimizer).__name__, optimizer.param_groups[0]["decay"]
        ('AdamW', 'independent')
    """

    spec: OptimizerSpec
    lr: float
    weight_decay: float
    seed: int
    epochs: int
    batch_size: int
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def optimizer(self) -> str:
        """The optimizer's name in the study, such as "adamw-paper"."""
        return self.spec.name

    def build(self, model: nn.Module | Iterable[Tensor]) -> torch.optim.Optimizer:
        """The optimizer to train with, lr and λ set; a scheduler is the training's own affair.

        Args:
            model: a model or parameters. One that takes matrices alone must be given the model, if this has anything
                else.

        Returns:
            The optimizer.
        """
        return self.spec.build(model, self.lr, self.weight_decay)


Train = Callable[[Config], Mapping[str, float]]
"""Trains one network, wholly on its own, and returns at least ``val_error``; beside it ``test_error``, ``train_error``,
``val_loss``, ``test_loss``, ``train_loss``, ``weight_norm`` have a place in the ledger, other numbers are kept as well.
A ``val_error`` that is not finite says that it diverged. Errors are at least 0: what a study calls best has the least.
"""


@dataclass(frozen=True)
class OwnTraining:
    """A ``train(config) -> metrics`` that runs in a worker process: it is called for every replica, never stacked.

    In a file, ``problem = OwnTraining(train, unit="nats")`` says more than the function alone.

    Args:
        train: trains one network and returns at least ``val_error``.
        name, description, fingerprint: filled in from the file.
        chance: the error of a guess, if there is one, which a replica that diverged counts as at least.
        unit: what the error is measured in.
        perfect: the best score there can be, where a larger one is better (1.0 for an accuracy): ``train`` then returns
            ``val_score`` and so on, and the error is what they lack.
        epochs, batch_size, options: the study's.

    Example:
        >>> from halflife.lab import BASELINE, OwnTraining
        >>> def train(config):
        ...     w = torch.nn.Parameter(torch.ones(1))
        ...     optimizer = config.build([w])
        ...     for _ in range(config.epochs):
        ...         w.grad = w.detach() - 0.5
        ...         optimizer.step()
        ...     return {"val_error": abs(w.item() - 0.5)}
        >>> own = OwnTraining(train, unit="distance", epochs=10)
        >>> round(train(own.config(BASELINE, lr=0.05, lam=0.0, seed=0))["val_error"], 2)
        0.04
    """

    train: Train
    name: str = ""
    description: str = ""
    fingerprint: str = ""
    chance: float | None = None
    unit: str = "validation error"
    perfect: float | None = None
    epochs: int = 1
    batch_size: int = 1
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def config(self, spec: OptimizerSpec, lr: float, lam: float, seed: int) -> Config:
        """What is asked of one call.

        Args:
            spec: the optimizer.
            lr, lam, seed: the cell and the seed.

        Returns:
            What ``train`` is given.
        """
        return Config(spec, lr, lam, seed, self.epochs, self.batch_size, self.options)


def is_own(problem: str) -> bool:
    """Whether these words name an object in a file."""
    return ":" in problem or problem.endswith(".py")


def parts_of(spec: str) -> tuple[str, str]:
    """The file, and the name in it, empty where none is given."""
    path, _, name = (spec, "", "") if spec.endswith(".py") else spec.rpartition(":")
    return path, name


def load_own(spec: str, options: Mapping[str, Any] | None = None) -> Problem | OwnTraining:
    """The object that ``file.py:name`` names, or ``problem``, else ``train``, of ``file.py``: a ``Problem``, a function
    that returns one, an ``OwnTraining``, or a function of a ``Config`` that trains. ``options`` are what the function
    is called with, or what the training finds in ``config.options``.

    Raises ``StudyError`` if there is none.
    """
    path, name = parts_of(spec)
    if not path or not (name or spec.endswith(".py")):
        raise StudyError(f"{spec!r} names no object in a file; write it as {FORM}.")
    if not Path(path).is_file():
        raise StudyError(f"there is no file {path!r}; {FORM} names an object of a Python file.")
    beside = str(Path(path).resolve().parent)
    if beside not in sys.path:
        sys.path.insert(0, beside)  # as for a script, so that it imports what lies beside it, in worker processes too
    try:
        found = run_path(path, run_name="halflife_study")
    except Exception as error:
        raise StudyError(f"{path} failed with {type(error).__name__}: {error}") from error
    name = name or next((each for each in ("problem", "train") if each in found), "problem")
    if name not in found:
        theirs = [each for each, x in found.items() if isinstance(x, Problem | OwnTraining) or inspect.isfunction(x)]
        raise StudyError(f"{path} has no {name!r}; it has {', '.join(theirs) or 'nothing that fits'}.")
    return _understood(found[name], spec, path, options or {})


def _needed(f: Callable[..., Any]) -> list[str]:
    """The parameters that a function cannot do without."""
    given = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    every = inspect.signature(f).parameters.values()
    return [x.name for x in every if x.default is inspect.Parameter.empty and x.kind not in given]


def _understood(found: Any, spec: str, path: str, options: Mapping[str, Any]) -> Problem | OwnTraining:
    if callable(found) and not isinstance(found, OwnTraining) and not _needed(found):
        check_options(options, found, spec)
        found, options = found(**options), {}
    if isinstance(found, Problem):
        if options:
            raise StudyError(
                f"{', '.join(options)}: {spec} is a Problem that is made already and takes no keywords; let it be a "
                "function that returns one."
            )
        return found
    train: Any = found
    own = OwnTraining(train) if callable(found) else found
    if not isinstance(own, OwnTraining):
        raise StudyError(
            f"{spec} is a {type(found).__name__}; it must be a halflife.lab.Problem, a function that returns one, an "
            "OwnTraining, or train(config), which returns a mapping with val_error."
        )
    return replace(
        own,
        name=own.name or Path(path).stem,
        description=own.description or f"{spec}, trained by its own function",
        fingerprint=code_of_file(Path(path)),
        options=options,
    )
