"""The key of each network in a ledger: a hash of everything that its result depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from ..config.code_digest import code_of_file, code_of_problem
from ..config.grids import Cell
from ..config.optimizers import OptimizerSpec
from ..config.settings import Settings
from ..config.user_code import OwnTraining, is_own, parts_of
from ..problems import Problem
from ..training import Training
from ..training.numerics import numerics
from .ledger import key_of


def _own_code(problem: str | Problem, model: nn.Module) -> str:
    """A digest of a problem's own code; of those of the library their names are enough."""
    if isinstance(problem, Problem):
        return code_of_problem(problem, model)
    return code_of_file(Path(parts_of(problem)[0])) if is_own(problem) else ""


class Keys:
    """The ledger's key of each network of a training: a hash of everything that its result depends on."""

    def __init__(self, training: Training | OwnTraining, settings: Settings) -> None:
        self.common: dict[str, Any] = {"recipe": settings.recipe.key, **numerics()}
        if isinstance(training, Training):
            problem, model = training.problem, training.model()
            self.common |= {"problem": [problem.name, problem.fingerprint], "model": str(model)}
            code = _own_code(settings.problem, model)
            self.common |= {"code": code} if code else {}
        else:
            code = training.fingerprint
            self.common |= {"problem": [training.name, code], "model": "own"}
        if code and settings.options:  # of the library's, data and model show all that they change
            self.common |= {"options": dict(settings.options)}

    def of(self, spec: OptimizerSpec, cell: Cell) -> str:
        optimizer = spec.key
        return key_of({**self.common, "optimizer": optimizer, **cell._asdict()})
