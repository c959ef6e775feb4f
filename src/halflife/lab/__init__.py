"""Studies of how learning rate and weight decay are coupled: ``run_study(Settings(), Path("study"))``."""

from __future__ import annotations

from .analysis import Findings
from .api import Outcome, run_preset, run_study
from .config.axis import Axis, AxisPoint
from .config.optimizers import BASELINE, OPTIMIZER_SPECS, OptimizerSpec
from .config.settings import Settings
from .config.user_code import Config, OwnTraining
from .errors import StudyError
from .execution.config import ExecutionConfig
from .inference import Coupling, NotIdentified, coupling
from .planning import Plan, plan
from .problems import PROBLEMS, Problem, Split
from .progress import Progress
from .result import Result
from .study import Study
from .suggestion import Suggestion, TrainingSetup, Tuned, suggest

__all__ = [
    "BASELINE",
    "OPTIMIZER_SPECS",
    "PROBLEMS",
    "Axis",
    "AxisPoint",
    "Config",
    "Coupling",
    "ExecutionConfig",
    "Findings",
    "NotIdentified",
    "OptimizerSpec",
    "Outcome",
    "OwnTraining",
    "Plan",
    "Problem",
    "Progress",
    "Result",
    "Settings",
    "Split",
    "Study",
    "StudyError",
    "Suggestion",
    "TrainingSetup",
    "Tuned",
    "coupling",
    "plan",
    "run_preset",
    "run_study",
    "suggest",
]
