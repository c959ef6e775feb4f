"""What is trained for every cell: a problem with its model and recipe, or a training of the user's own."""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from ..errors import StudyError
from ..models.fitting import MODELS
from ..problems import PROBLEMS, Problem, problem_named
from ..training import Training
from .settings import Settings
from .user_code import OwnTraining, is_own, load_own

if TYPE_CHECKING:
    from ..execution.config import ExecutionConfig


def training_of(settings: Settings, how: ExecutionConfig) -> Training | OwnTraining:
    """Raises ``StudyError`` if the problem cannot be read, lacks samples, or its model cannot be trained anew."""
    problem = settings.problem
    if isinstance(problem, str):
        problem = load_own(problem) if is_own(problem) else problem_named(problem, how.data_dir)
    if isinstance(problem, OwnTraining):
        return replace(problem, epochs=settings.epochs, batch_size=settings.batch_size)
    _check_data(problem, settings.batch_size)
    if settings.model is None and settings.problem not in PROBLEMS:
        _check_models(problem)
    model = problem.model if settings.model is None else partial(MODELS[settings.model], problem)
    return Training(problem, model, settings.recipe, how.device)


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
