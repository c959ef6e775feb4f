"""What is trained for every cell: a problem with its model and recipe, or a training of the user's own."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ...parameters import head_of
from ..errors import StudyError
from ..models.fitting import MODELS
from ..problems import PROBLEMS, Problem, Split, problem_named
from ..training import Training
from .keywords import check_options, keywords_of
from .settings import Settings
from .user_code import OwnTraining, is_own, load_own

if TYPE_CHECKING:
    from ..execution.config import ExecutionConfig


def training_of(settings: Settings, how: ExecutionConfig) -> Training | OwnTraining:
    """Raises ``StudyError`` if the problem cannot be read, lacks samples, or its model cannot be trained anew."""
    of_model, of_problem = _shared_out(settings)
    problem = settings.problem
    if isinstance(problem, str):
        problem = load_own(problem, of_problem) if is_own(problem) else _of_library(problem, how.data_dir, of_problem)
    elif of_problem:
        raise StudyError(
            f"{', '.join(of_problem)}: a Problem that is made already takes no keywords; give it as my.py:problem, a "
            "function that returns one."
        )
    if isinstance(problem, OwnTraining):
        _check_own(problem, settings)
        return replace(problem, epochs=settings.epochs, batch_size=settings.batch_size)
    problem = _cut(problem, settings.samples)
    _check_data(problem, settings.batch_size)
    if settings.model is None and settings.problem not in PROBLEMS:
        _check_models(problem)
    model = problem.model if settings.model is None else partial(MODELS[settings.model], problem, **of_model)
    if settings.options:
        _check_options_fit(model, settings.options)
    _check_optimizers_fit(model, settings)
    return Training(problem, model, settings.recipe, how.device)


def with_head(settings: Settings, training: Training | OwnTraining) -> Settings:
    """With the model's head, where an optimizer must know it and the model tells: results depend on it."""
    needed = any(spec.matrix for spec in settings.optimizer_specs())
    if not needed or settings.head is not None or isinstance(training, OwnTraining):
        return settings
    with torch.random.fork_rng(devices=[]):
        return replace(settings, head=head_of(training.model()))


def _check_own(own: OwnTraining, settings: Settings) -> None:
    """Raises ``StudyError`` for a setting that its function is not told: results would be said to have it."""
    usual = Settings()
    for name in ("model", "samples", "schedule", "loss_scale", "precision"):
        given = getattr(settings, name)
        if given != getattr(usual, name):
            raise StudyError(
                f"{own.name} trains by its own function, which does not hear of {name.replace('_', ' ')} {given}: "
                "leave that out. What it reads in config.options may vary (--axis NAME=VALUES)."
            )


def _shared_out(settings: Settings) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of the model, if it is named, and those of the problem."""
    known = keywords_of(MODELS[settings.model]) if settings.model else ()
    of_model = {name: value for name, value in settings.options.items() if name in known}
    return of_model, {name: value for name, value in settings.options.items() if name not in known}


def _of_library(name: str, data_dir: str | Path | None, options: Mapping[str, Any]) -> Problem:
    check_options(options, PROBLEMS[name], f"the problem {name}")
    try:
        return problem_named(name, data_dir, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        if not options:
            raise
        words = ", ".join(f"{key} {value}" for key, value in options.items())
        raise StudyError(f"the problem {name} cannot have {words} ({error}).") from error


def _check_options_fit(model: Callable[[], nn.Module], options: Mapping[str, Any]) -> None:
    """Raises ``StudyError`` where no model can be made with them, such as of a width of 0.5."""
    try:
        with torch.random.fork_rng(devices=[]):
            model()
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        words = ", ".join(f"{name} {value}" for name, value in options.items())
        raise StudyError(f"no model can be made with {words} ({error}).") from error


def _check_optimizers_fit(model: Callable[[], nn.Module], settings: Settings) -> None:
    """Raises ``StudyError`` where a rule does not take one of the model's parameters, before anything is trained."""
    choosy = [spec for spec in settings.optimizer_specs() if spec.is_choosy]
    if not choosy:
        return
    with torch.random.fork_rng(devices=[]):
        made = model()
    for spec in choosy:
        refusal = spec.refusal(made)
        if refusal:
            raise StudyError(refusal)


def _cut(problem: Problem, samples: int | None) -> Problem:
    """With the first of the training samples alone."""
    if samples is None:
        return problem
    train = problem.train
    if samples > len(train):
        raise StudyError(
            f"{samples} training samples were asked for, but {problem.name} has {len(train)}; choose 1 to {len(train)}."
        )
    words = f"{problem.description}; {samples} of the {len(train)} are learned from"
    return replace(problem, train=Split(train.inputs[:samples], train.targets[:samples]), description=words)


def _check_data(problem: Problem, batch_size: int) -> None:
    for name in ("train", "val", "test"):
        split = getattr(problem, name)
        if not len(split) or len(split.inputs) != len(split.targets):
            raise StudyError(
                f"the {name} split of {problem.name} has {len(split.inputs)} inputs and {len(split.targets)} targets: "
                "each split needs samples, and a target for each."
            )
    if batch_size > len(problem.train):
        raise StudyError(f"a batch of {batch_size} does not fit: {problem.name} has {len(problem.train)} samples.")


def _check_models(problem: Problem) -> None:
    """Raises ``StudyError`` where two calls give models with parameters in common: what one learned, the next has."""
    with torch.random.fork_rng(devices=[]):
        first, second = problem.model(), problem.model()
    if {*map(id, first.parameters())} & {*map(id, second.parameters())}:
        raise StudyError(
            f"the model of {problem.name} must be a new one at each call, but two calls gave the same parameters: "
            "build it within the function, as in model=lambda: torch.nn.Linear(4, 2)."
        )
    if not any(x.requires_grad for x in first.parameters()):
        raise StudyError(f"the model of {problem.name} has no parameter that can be trained.")
